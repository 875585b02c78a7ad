package dev.longtake.worker.engine.sampler;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A sampler's table for one clip.
 *
 * @param frames how frames are kept and edited; null when the sampler generates whole clips only
 */
public record SamplingPlan(List<SamplerStep> steps, @Nullable FrameRule frames) {
  public SamplingPlan {
    steps = List.copyOf(steps);
  }

  boolean addsNoise() {
    return frames != null
        || steps.stream().anyMatch(step -> !(step.noise() instanceof StepNoise.None));
  }

  /** Whether the network's prediction of the variance counts. */
  public boolean learnsVariance() {
    return steps.stream().anyMatch(step -> step.noise() instanceof StepNoise.Learned);
  }

  /** Whether steps keep their estimate for the next one. */
  public boolean remembers() {
    return steps.stream().anyMatch(SamplerStep::remembers);
  }
}
