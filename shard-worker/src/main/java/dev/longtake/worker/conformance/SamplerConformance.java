package dev.longtake.worker.conformance;

import dev.longtake.v1.ClipGeometry;
import dev.longtake.v1.Guidance;
import dev.longtake.v1.Precision;
import dev.longtake.v1.RectifiedFlow;
import dev.longtake.v1.SamplingTask;
import dev.longtake.v1.WorkOrder;
import dev.longtake.worker.conformance.GoldenRun.Values;
import dev.longtake.worker.order.ProtoTensors;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** Runs of rectified flow: a whole sampling loop from given noise, every step compared. */
final class SamplerConformance {
  private static final int TIMESTEPS = 1000;
  private static final String FIRST_OUTPUT = "model_out_step0";

  private final Gang gang;
  private final Precision precision;
  private final double tolerance;

  SamplerConformance(Gang gang, Precision precision, double tolerance) {
    this.gang = gang;
    this.precision = precision;
    this.tolerance = tolerance;
  }

  RunReport run(String golden, GoldenRun run) {
    int steps = (int) run.requireNumber("num_sampling_steps");
    List<String> names = run.outputNames();
    List<String> capture =
        names.stream().map(SamplerConformance::engineName).toList();
    Map<String, Captured> ours =
        gang.run(
            WorkOrder.newBuilder()
                .setPrecision(precision)
                .setSampling(task(run, steps).addAllCapture(capture)));
    List<TensorCheck> checks = new ArrayList<>();
    Map<String, String> notCompared = new TreeMap<>();
    for (String name : names) {
      float[] values = values(ours, name, steps);
      if (values == null) {
        notCompared.put(name, "the engine does not have this tensor");
      } else {
        checks.add(TensorCheck.compare(name, values, run.output(name).values(), tolerance));
      }
    }
    return new RunReport(golden, run.name(), checks, notCompared, "");
  }

  private static String engineName(String name) {
    return switch (name) {
      case FIRST_OUTPUT -> "model_out";
      case "v_pred" -> "guided_pred";
      default -> name;
    };
  }

  private static float @Nullable [] values(Map<String, Captured> ours, String name, int steps) {
    if (name.equals("final")) {
      return values(ours.get(name));
    }
    if (name.equals(FIRST_OUTPUT)) {
      return values(ours.get("model_out/0"));
    }
    String engineName = engineName(name);
    Captured first = ours.get(engineName + "/0");
    if (first == null) {
      return null;
    }
    int size = first.values().length;
    float[] all = new float[steps * size];
    for (int step = 0; step < steps; step++) {
      float[] one = values(ours.get(engineName + "/" + step));
      if (one == null) {
        return null;
      }
      System.arraycopy(one, 0, all, step * size, size);
    }
    return all;
  }

  private static float @Nullable [] values(@Nullable Captured captured) {
    return captured == null ? null : captured.values();
  }

  private static SamplingTask.Builder task(GoldenRun run, int steps) {
    Values start = run.input("z_start");
    SamplingTask.Builder task =
        SamplingTask.newBuilder()
            .setGeometry(
                ClipGeometry.newBuilder()
                    .setLatentFrames(start.size(2))
                    .setLatentHeight(start.size(3))
                    .setLatentWidth(start.size(4))
                    .setPixelHeight(run.input("height").values()[0])
                    .setPixelWidth(run.input("width").values()[0])
                    .setPixelFrames((int) run.input("num_frames").values()[0])
                    .setFps(run.input("fps").values()[0]))
            .addAllPrompts(GoldenText.rows(run))
            .setRectifiedFlow(
                RectifiedFlow.newBuilder()
                    .setSteps(steps)
                    .setTimesteps(TIMESTEPS)
                    .setDiscrete(run.flag("use_discrete_timesteps"))
                    .setTransform(run.flag("use_timestep_transform")))
            .setGuidance(Guidance.newBuilder().setStrength(run.requireNumber("cfg_scale")))
            .setLatents(ProtoTensors.of(start.floats(), start.shape()));
    if (run.hasInput("frame_mask")) {
      Values mask = run.input("frame_mask");
      Values noise = run.input("noise");
      task.setFrameMask(ProtoTensors.of(mask.floats(), mask.shape()))
          .setEditNoise(ProtoTensors.of(noise.floats(), noise.shape()));
    }
    return task;
  }
}
