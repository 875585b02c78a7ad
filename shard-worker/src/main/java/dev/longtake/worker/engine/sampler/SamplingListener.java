package dev.longtake.worker.engine.sampler;

import dev.longtake.worker.device.Matrix;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/** Follows a sampling loop, on its thread. */
public interface SamplingListener {
  /**
   * Before each step.
   *
   * @param step from 0
   * @throws dev.longtake.common.error.LongtakeException CANCELED to stop the loop
   */
  void stepStarting(int step);

  /**
   * After each step.
   *
   * @param after what the step left here; null in stages before the last, which keep nothing from step to step
   */
  void stepFinished(int step, @Nullable LocalState after);

  /**
   * Which frame of the first sample {@link #estimate} is to be called with at this step; none unless a listener says so.
   *
   * @return its place among this rank's frames, from 0
   */
  default OptionalInt previewedFrame(int step) {
    return OptionalInt.empty();
  }

  /**
   * A frame of the clip as a step sees it, without the noise that is left; before {@link #stepFinished} of the step.
   *
   * @param frame [channels, height * width]; the listener's from then on
   */
  default void estimate(int step, float[] frame) {}

  /** Whether to call {@link #latents} or {@link #values} for this name. */
  boolean wants(String name);

  /**
   * Latents of this rank's frames: "z_in", "model_out", "guided_pred", "z_out", and at the start "reference_latents".
   *
   * @param latents [rows * channels * frames, height * width], rows being samples, or branches for "model_out" and
   *     "reference_latents"
   */
  void latents(String name, int step, Matrix latents);

  /** What all ranks know: "timesteps" [samples], "x_mask" [samples * frames] as 0 and 1. */
  void values(String name, int step, float[] values);
}
