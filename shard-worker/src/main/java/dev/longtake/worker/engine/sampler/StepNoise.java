package dev.longtake.worker.engine.sampler;

/** Fresh noise that a step adds. */
public sealed interface StepNoise {
  StepNoise NONE = new None();

  /** A deterministic step. */
  record None() implements StepNoise {}

  /** The same standard deviation everywhere. */
  record Fixed(float deviation) implements StepNoise {}

  /**
   * A variance that the network predicts for each value, between two bounds, in its channels after the prediction; see {@link
   * dev.longtake.worker.device.Device#addLearnedNoise}.
   */
  record Learned(float minLog, float maxLog) implements StepNoise {}
}
