package dev.longtake.worker.engine.sampler;

import dev.longtake.worker.engine.exec.Geometry;
import java.util.ArrayList;
import java.util.List;

/**
 * Ancestral sampling of DDPM (arXiv 2006.11239, algorithm 2) over respaced timesteps: the mean of the posterior, and noise of a
 * learned variance (arXiv 2102.09672, equation 15) or of beta. The network predicts the noise; the clip it implies is not clipped.
 *
 * @param timesteps of the training
 * @param float32Tables as Open-Sora 1.1 has them; else float64
 * @param learnedVariance whether the network has channels for the variance
 */
public record Ancestral(int steps, int timesteps, boolean float32Tables, boolean learnedVariance)
    implements Sampler {

  /** The tables of the kept timesteps. */
  public DiffusionTable table() {
    return new DiffusionTable(timesteps, Spacing.EVENLY.kept(timesteps, steps), float32Tables);
  }

  @Override
  public SamplingPlan plan(Geometry geometry) {
    DiffusionTable table = table();
    List<SamplerStep> plan = new ArrayList<>();
    for (int step = 0; step < steps; step++) {
      int index = table.index(step);
      double clip = table.posteriorMeanCoef1(index);
      double latents = clip * table.sqrtRecipAlphasCumprod(index) + table.posteriorMeanCoef2(index);
      double prediction = -clip * table.sqrtRecipm1AlphasCumprod(index);
      plan.add(
          SamplerStep.of(
              table.timestep(index), table.clip(index), latents, prediction, noise(table, index)));
    }
    return new SamplingPlan(plan, new AncestralFrames(table));
  }

  private StepNoise noise(DiffusionTable table, int index) {
    if (index == 0) {
      return StepNoise.NONE;
    }
    double beta = table.beta(index);
    return learnedVariance
        ? new StepNoise.Learned(
            (float) table.posteriorLogVarianceClipped(index), (float) StrictMath.log(beta))
        : new StepNoise.Fixed((float) Math.sqrt(beta));
  }
}
