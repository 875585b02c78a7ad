package dev.longtake.worker.engine.sampler;

import dev.longtake.worker.engine.exec.Geometry;
import java.util.ArrayList;
import java.util.List;

/**
 * DDIM (Song et al., "Denoising diffusion implicit models", arXiv 2010.02502, equations 12 and 16). The network predicts the
 * noise.
 *
 * @param timesteps of the training
 * @param eta 0: deterministic, 1: as much noise as ancestral sampling
 * @param noisyEnd whether the last step ends at the training's first timestep instead of the clip
 */
public record Ddim(int steps, int timesteps, Spacing spacing, double eta, boolean noisyEnd)
    implements Sampler {
  @Override
  public SamplingPlan plan(Geometry geometry) {
    DiffusionTable table = new DiffusionTable(timesteps, spacing.kept(timesteps, steps), false);
    double end = noisyEnd ? DiffusionTable.cumulativeProducts(timesteps)[0] : 1;
    List<SamplerStep> plan = new ArrayList<>();
    for (int step = 0; step < steps; step++) {
      int index = table.index(step);
      double signal = table.alphasCumprod(index);
      double next = index == 0 ? end : table.alphasCumprodPrevious(index);
      double deviation = eta * Math.sqrt((1 - next) / (1 - signal) * (1 - signal / next));
      double latents = Math.sqrt(next / signal);
      double prediction =
          Math.sqrt(Math.max(0, 1 - next - deviation * deviation))
              - latents * Math.sqrt(1 - signal);
      StepNoise noise = deviation == 0 ? StepNoise.NONE : new StepNoise.Fixed((float) deviation);
      plan.add(
          SamplerStep.of(table.timestep(index), table.clip(index), latents, prediction, noise));
    }
    return new SamplingPlan(plan, null);
  }
}
