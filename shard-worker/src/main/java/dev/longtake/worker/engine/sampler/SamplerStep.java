package dev.longtake.worker.engine.sampler;

import org.jspecify.annotations.Nullable;

/**
 * One step of any sampler, from latents {@code z} and the guided prediction {@code p}:
 *
 * <pre>
 * e  = estimate.latents * z + estimate.prediction * p      or e = p without an estimate
 * z' = latents * z + prediction * e + previous * (e of the step before) + noise
 * </pre>
 *
 * @param timestep what the network is told
 * @param previous 0 where the step before does not matter; else that step has an estimate
 */
public record SamplerStep(
    float timestep,
    @Nullable Estimate estimate,
    float latents,
    float prediction,
    float previous,
    StepNoise noise) {

  /** What the sampler makes of the prediction and remembers for the next step: the clip, as far as it is known. */
  public record Estimate(float latents, float prediction) {}

  /** A step that needs nothing of the step before. */
  static SamplerStep of(float timestep, double latents, double prediction, StepNoise noise) {
    return new SamplerStep(timestep, null, (float) latents, (float) prediction, 0, noise);
  }
}
