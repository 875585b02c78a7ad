package dev.longtake.worker.engine.sampler;

import dev.longtake.worker.device.Matrix;
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
