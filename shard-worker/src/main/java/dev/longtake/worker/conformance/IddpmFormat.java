package dev.longtake.worker.conformance;

import dev.longtake.v1.Ancestral;
import dev.longtake.v1.ClipGeometry;
import dev.longtake.v1.Guidance;
import dev.longtake.v1.SamplingTask;
import dev.longtake.worker.conformance.GoldenRun.Values;
import dev.longtake.worker.engine.sampler.DiffusionTable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.IntToDoubleFunction;

/**
 * Runs of Open-Sora 1.0 and 1.1.
 *
 * @param release 1.0 guides the first three channels and has float64 tables, 1.1 guides all and has float32 tables
 */
record IddpmFormat(Release release) implements SamplerFormat {
  private static final String GUIDED_OUTPUT = "guided_out";
  private static final int LATENT_PIXELS = 8;

  /** The reference's documentation: random networks amplify rounding over 50 steps. */
  private static final double WHOLE_RUN_1_0 = 1e-3;

  /** The project's releases with this sampler. */
  enum Release {
    V1_0(3, false),
    V1_1(0, true);

    private final int guidedChannels;
    private final boolean float32Tables;

    Release(int guidedChannels, boolean float32Tables) {
      this.guidedChannels = guidedChannels;
      this.float32Tables = float32Tables;
    }
  }

  @Override
  public int steps(GoldenRun run) {
    return (int) run.requireNumber("num_sampling_steps");
  }

  @Override
  public SamplingTask.Builder task(GoldenRun run) {
    Values start = run.input("z_start");
    SamplingTask.Builder task =
        SamplingTask.newBuilder()
            .setGeometry(geometry(run, start))
            .addAllPrompts(GoldenText.rows(run))
            .setAncestral(
                Ancestral.newBuilder()
                    .setSteps(steps(run))
                    .setTimesteps(TIMESTEPS)
                    .setFloat32Tables(release.float32Tables))
            .setGuidance(
                Guidance.newBuilder()
                    .setStrength(run.requireNumber("cfg_scale"))
                    .setGuidedChannels(release.guidedChannels))
            .setLatents(GoldenLatents.tensor(start))
            .setStepNoise(GoldenLatents.tensor(run.input("noise")));
    if (run.hasInput("frame_mask")) {
      task.setFrameMask(GoldenLatents.tensor(run.input("frame_mask")))
          .setEditNoise(GoldenLatents.tensor(run.input("noise_edit")));
    }
    return task;
  }

  /** Release 1.0 is not told sizes in pixels. */
  private static ClipGeometry.Builder geometry(GoldenRun run, Values start) {
    if (!run.hasInput("height")) {
      return GoldenLatents.geometry(
          start.shape(),
          (double) LATENT_PIXELS * start.size(3),
          (double) LATENT_PIXELS * start.size(4));
    }
    return GoldenLatents.geometry(
            start.shape(), run.input("height").values()[0], run.input("width").values()[0])
        .setPixelFrames((int) run.input("num_frames").values()[0])
        .setFps(run.input("fps").values()[0]);
  }

  @Override
  public List<String> captures(GoldenRun run, String name) {
    if (!name.equals(GUIDED_OUTPUT)) {
      return SamplerFormat.super.captures(run, name);
    }
    List<String> captures = new ArrayList<>();
    for (int step : run.integers("guided_out_steps")) {
      captures.add("guided_pred/" + step);
      captures.add("model_out/" + step);
    }
    return captures;
  }

  /** The reference's guided output ends with the variance of the prompt's row. */
  @Override
  public float[] arrange(GoldenRun run, String name, List<Captured> captured) {
    if (!name.equals(GUIDED_OUTPUT)) {
      return SamplerFormat.super.arrange(run, name, captured);
    }
    List<float[]> parts = new ArrayList<>();
    for (int i = 0; i < captured.size(); i += 2) {
      float[] guided = captured.get(i).values();
      parts.add(guided);
      parts.add(Arrays.copyOfRange(captured.get(i + 1).values(), guided.length, 2 * guided.length));
    }
    return GoldenLatents.concatenate(parts);
  }

  @Override
  public Optional<float[]> table(GoldenRun run, String name) {
    DiffusionTable table =
        new dev.longtake.worker.engine.sampler.Ancestral(
                steps(run), TIMESTEPS, release.float32Tables, true)
            .table();
    return switch (name) {
      case "table.betas" -> values(table, table::beta);
      case "table.alphas_cumprod" -> values(table, table::alphasCumprod);
      case "table.alphas_cumprod_prev" -> values(table, table::alphasCumprodPrevious);
      case "table.sqrt_recip_alphas_cumprod" -> values(table, table::sqrtRecipAlphasCumprod);
      case "table.sqrt_recipm1_alphas_cumprod" -> values(table, table::sqrtRecipm1AlphasCumprod);
      case "table.posterior_mean_coef1" -> values(table, table::posteriorMeanCoef1);
      case "table.posterior_mean_coef2" -> values(table, table::posteriorMeanCoef2);
      case "table.posterior_log_variance_clipped" ->
          values(table, table::posteriorLogVarianceClipped);
      default -> Optional.empty();
    };
  }

  private static Optional<float[]> values(DiffusionTable table, IntToDoubleFunction column) {
    float[] values = new float[table.steps()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) column.applyAsDouble(i);
    }
    return Optional.of(values);
  }

  @Override
  public double tolerance(String name, double usual) {
    boolean wholeRun = name.equals("z_in") || name.equals("final") || name.equals(GUIDED_OUTPUT);
    return release == Release.V1_0 && wholeRun ? Math.max(usual, WHOLE_RUN_1_0) : usual;
  }
}
