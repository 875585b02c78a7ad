package dev.longtake.worker.conformance;

import dev.longtake.common.tensor.DType;
import dev.longtake.worker.conformance.GoldenRun.Values;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.DeviceBuffer;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.device.Patching;
import dev.longtake.worker.engine.exec.Floats;
import dev.longtake.worker.engine.exec.Geometry;
import dev.longtake.worker.engine.exec.StepInput;
import dev.longtake.worker.engine.reuse.ReuseSchedule;
import dev.longtake.worker.engine.sampler.Ddim;
import dev.longtake.worker.engine.sampler.Denoiser;
import dev.longtake.worker.engine.sampler.DpmSolver;
import dev.longtake.worker.engine.sampler.Guidance;
import dev.longtake.worker.engine.sampler.LocalState;
import dev.longtake.worker.engine.sampler.Sampler;
import dev.longtake.worker.engine.sampler.SamplingInput;
import dev.longtake.worker.engine.sampler.SamplingListener;
import dev.longtake.worker.engine.sampler.SamplingLoop;
import dev.longtake.worker.engine.sampler.Spacing;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** Samplers of images without their model: each step gets the prediction that the reference recorded for it. */
final class RecordedConformance {
  private static final List<String> LATENTS = List.of("z_in", "guided_pred", "z_out");

  private final Device device;
  private final double tolerance;

  RecordedConformance(Device device, double tolerance) {
    this.device = device;
    this.tolerance = tolerance;
  }

  /** Whether cases of this kind are for here. */
  static boolean knows(String kind) {
    return kind.equals("sampler dpm_solver_pp") || kind.equals("sampler ddim");
  }

  RunReport run(String golden, GoldenRun run) {
    Values start = run.input("z_start");
    Patching patching = new Patching(1, start.size(2), start.size(3), 1, 1, 1);
    Geometry geometry =
        new Geometry(2, patching, start.size(2), start.size(3), 1, /* rank= */ 0, /* ranks= */ 1);
    Sampler sampler = run.text("algorithm_type").isPresent() ? dpmSolver(run) : ddim(run);
    double strength = run.requireNumber("guidance");
    int guided = run.number("guidance_channels").map(Double::intValue).orElse(start.size(1));
    Map<String, float[]> ours = new TreeMap<>();
    try (DeviceBuffer buffer = device.memory().allocate(8L * start.values().length, "latents");
        SamplingLoop loop =
            new SamplingLoop(
                device,
                new Recorded(run, start.size(1), buffer),
                geometry,
                new SamplingInput(
                    1,
                    sampler,
                    new Guidance(strength, false, guided, null, false),
                    0,
                    start.floats(),
                    null,
                    null,
                    null,
                    null,
                    null,
                    null,
                    ReuseSchedule.EXACT),
                new Collector(ours))) {
      ours.put("final", Floats.download(device, loop.run()));
    }
    return report(golden, run, ours);
  }

  private RunReport report(String golden, GoldenRun run, Map<String, float[]> ours) {
    List<TensorCheck> checks = new ArrayList<>();
    Map<String, String> notCompared = new TreeMap<>();
    for (String name : run.outputNames()) {
      float[] values = ours.get(name.equals("guided_eps") ? "guided_pred" : name);
      if (values != null) {
        checks.add(TensorCheck.compare(name, values, run.output(name).values(), tolerance));
      } else if (name.startsWith("table") || name.equals("orders")) {
        notCompared.put(name, "the engine folds the tables into weights, which z_out checks");
      } else {
        notCompared.put(name, "a prediction that was recorded, not computed here");
      }
    }
    return new RunReport(golden, run.name(), checks, notCompared);
  }

  private static DpmSolver dpmSolver(GoldenRun run) {
    int steps = (int) run.requireNumber("steps");
    boolean timeUniform = run.text("skip_type").isPresent();
    boolean noisyEnd = run.text("final_sigmas_type").equals(Optional.of("sigma_min"));
    // The orders are recorded: each project has a rule of its own for the last.
    double[] orders = run.output("orders").values();
    return new DpmSolver(
        steps,
        SamplerFormat.TIMESTEPS,
        timeUniform ? DpmSolver.Spacing.TIME_UNIFORM : DpmSolver.Spacing.LINSPACE,
        orders[steps - 1] == 1,
        noisyEnd);
  }

  private static Ddim ddim(GoldenRun run) {
    boolean trailing = run.text("timestep_spacing").equals(Optional.of("trailing"));
    int offset = run.number("steps_offset").map(Double::intValue).orElse(0);
    return new Ddim(
        (int) run.requireNumber("steps"),
        SamplerFormat.TIMESTEPS,
        new Spacing(trailing ? Spacing.Kind.TRAILING : Spacing.Kind.LEADING, offset),
        run.requireNumber("eta"),
        run.text("set_alpha_to_one").equals(Optional.of("false")));
  }

  /** The prompt's prediction, then that of the null condition. */
  private final class Recorded implements Denoiser {
    private final float[] prompt;
    private final float[] none;
    private final int channels;
    private final Matrix latents;
    private int step;

    Recorded(GoldenRun run, int channels, DeviceBuffer buffer) {
      this.prompt = run.output("eps_cond").floats();
      this.none = run.output("eps_uncond").floats();
      this.channels = channels;
      Values start = run.input("z_start");
      this.latents = Matrix.dense(buffer, 2 * channels, start.size(2) * start.size(3), DType.F32);
    }

    @Override
    public int latentChannels() {
      return channels;
    }

    @Override
    public int outputChannels() {
      return channels;
    }

    @Override
    public Matrix predict(StepInput input, String place) {
      int size = channels * latents.columns();
      int from = step++ * size;
      float[] both = Arrays.copyOf(Arrays.copyOfRange(prompt, from, from + size), 2 * size);
      System.arraycopy(none, from, both, size, size);
      Floats.upload(device, both, latents);
      return latents;
    }
  }

  /** Puts the tensors of all steps behind each other. */
  private final class Collector implements SamplingListener {
    private final Map<String, float[]> collected;

    Collector(Map<String, float[]> collected) {
      this.collected = collected;
    }

    @Override
    public void stepStarting(int step) {}

    @Override
    public void stepFinished(int step, @Nullable LocalState after) {}

    @Override
    public boolean wants(String name) {
      return LATENTS.contains(name) || name.equals("timesteps");
    }

    @Override
    public void latents(String name, int step, Matrix latents) {
      values(name, step, Floats.download(device, latents));
    }

    @Override
    public void values(String name, int step, float[] values) {
      collected.merge(
          name, values, (before, now) -> GoldenLatents.concatenate(List.of(before, now)));
    }
  }
}
