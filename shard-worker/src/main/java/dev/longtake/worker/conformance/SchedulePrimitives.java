package dev.longtake.worker.conformance;

import dev.longtake.worker.conformance.PrimitiveConformance.Comparison;
import dev.longtake.worker.conformance.PrimitiveConformance.Primitive;
import dev.longtake.worker.engine.sampler.GuidedFlow;
import dev.longtake.worker.engine.sampler.RectifiedFlow;
import dev.longtake.worker.engine.sampler.Spacing;
import java.util.Map;

/** The samplers' schedules. */
final class SchedulePrimitives {
  /** Computed in float32 in the reference's order, it comes this close. */
  private static final double TRANSFORM_TOLERANCE = 5e-6;

  private static final int TIMESTEPS = 1000;

  private SchedulePrimitives() {}

  static Map<String, Primitive> functions(double tolerance) {
    return Map.of(
        "timestep_transform",
            run -> Comparison.of(run, timestepTransform(run), TRANSFORM_TOLERANCE),
        "space_timesteps", run -> Comparison.of(run, spacing(run), 0),
        "mmdit_schedule", run -> Comparison.of(run, guidedFlow(run), tolerance));
  }

  private static float[] timestepTransform(GoldenRun run) {
    double[] sizes = run.input("height_width_frames").values();
    float[] timesteps = run.input("t").floats();
    int settings = sizes.length / 3;
    float[] all = new float[settings * timesteps.length];
    for (int i = 0; i < all.length; i++) {
      int setting = i / timesteps.length;
      all[i] =
          RectifiedFlow.transformed(
              timesteps[i % timesteps.length],
              TIMESTEPS,
              sizes[3 * setting],
              sizes[3 * setting + 1],
              (int) sizes[3 * setting + 2]);
    }
    return all;
  }

  private static float[] spacing(GoldenRun run) {
    int[] kept = Spacing.EVENLY.kept(TIMESTEPS, (int) run.input("steps").values()[0]);
    float[] values = new float[kept.length];
    for (int i = 0; i < kept.length; i++) {
      values[i] = kept[i];
    }
    return values;
  }

  private static float[] guidedFlow(GoldenRun run) {
    double[] sizes = run.input("steps_seq_frames").values();
    return new GuidedFlow((int) sizes[0], /* shift= */ true)
        .schedule((int) sizes[1], (int) sizes[2]);
  }
}
