package dev.longtake.worker.engine.sampler;

import dev.longtake.worker.engine.exec.Geometry;
import java.util.ArrayList;
import java.util.List;

/**
 * The rectified flow of Open-Sora 2.0 ({@code opensora/utils/sampling.py}): t runs from 1 (noise) to 0 (clip), the network predicts
 * noise minus clip and is told t itself.
 *
 * @param shift moves t towards noise with the patches of a frame and the number of latent frames
 */
public record GuidedFlow(int steps, boolean shift) implements Sampler {
  /** The shift is a line through (256 patches, 1) and (4096 patches, 3). */
  private static final double BASE_PATCHES = 256;

  private static final double RISE = 2.0 / (4096 - 256);

  /**
   * The times between steps: {@code t' = a t / (1 + (a - 1) t)} with {@code a = (1 + 2 (patches - 256) / 3840) * sqrt(frames)}.
   *
   * @return steps + 1 values from 1 to 0
   */
  public float[] schedule(int patchesPerFrame, int latentFrames) {
    float ratio =
        shift
            ? (float) ((1 + RISE * (patchesPerFrame - BASE_PATCHES)) * Math.sqrt(latentFrames))
            : 1;
    float[] schedule = new float[steps + 1];
    for (int i = 0; i <= steps; i++) {
      float t = (float) (1 - (double) i / steps);
      schedule[i] = ratio * t / (1 + (ratio - 1) * t);
    }
    return schedule;
  }

  @Override
  public int timesteps() {
    return 1;
  }

  @Override
  public SamplingPlan plan(Geometry geometry) {
    float[] schedule =
        schedule(geometry.patching().patchesPerFrame(), geometry.patching().frames());
    List<SamplerStep> plan = new ArrayList<>();
    for (int step = 0; step < steps; step++) {
      float way = schedule[step + 1] - schedule[step];
      var estimate = new SamplerStep.Estimate(1, -schedule[step]);
      plan.add(SamplerStep.of(schedule[step], estimate, 1, way, StepNoise.NONE));
    }
    return new SamplingPlan(plan, null);
  }
}
