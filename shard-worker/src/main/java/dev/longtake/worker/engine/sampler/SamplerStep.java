package dev.longtake.worker.engine.sampler;

/**
 * One step of any sampler, from latents {@code z} and the guided prediction {@code p}:
 *
 * <pre>
 * c  = estimate.latents * z + estimate.prediction * p
 * e  = c where the step remembers, else p
 * z' = latents * z + prediction * e + previous * (e of the step before) + noise
 * </pre>
 *
 * @param timestep what the network is told
 * @param estimate the clip as far as the step knows it: {@code c} has no noise if the prediction is right
 * @param remembers whether the sampler goes on from its estimate and keeps it for the next step
 * @param previous 0 where the step before does not matter; else that step remembers
 */
public record SamplerStep(
    float timestep,
    Estimate estimate,
    boolean remembers,
    float latents,
    float prediction,
    float previous,
    StepNoise noise) {

  /** The coefficients of a clip that latents and their prediction imply. */
  public record Estimate(float latents, float prediction) {
    Estimate(double latents, double prediction) {
      this((float) latents, (float) prediction);
    }
  }

  /** A step that needs nothing of the step before. */
  static SamplerStep of(
      float timestep, Estimate estimate, double latents, double prediction, StepNoise noise) {
    return new SamplerStep(
        timestep, estimate, false, (float) latents, (float) prediction, 0, noise);
  }
}
