package dev.longtake.worker.engine.sampler;

import dev.longtake.worker.engine.reuse.ReuseSchedule;
import org.jspecify.annotations.Nullable;

/**
 * What to sample. Arrays are of the whole clips, values of [samples, channels, frames, height, width]; a rank takes its part.
 *
 * @param samples clips at once
 * @param seed of the noise; the sample's index is added
 * @param start latents instead of noise from the seed, or null
 * @param given frames that the start has in the place of its first ones, or null
 * @param frameMask [samples, frames]: 1 generates a frame, 0 keeps it, between: edits it, see {@link FrameRule}. Null: all are
 *     generated
 * @param stepNoise [steps, ...] that the sampler adds, instead of the generator's, or null
 * @param editNoise [steps, ...] for edited frames, instead of the generator's, or null
 * @param reference [samples, 1 + channels, frames, height, width], a mask and the masked reference latents, or null
 * @param resume goes on from there instead of from the start, or null
 * @param reuse what steps take over from earlier ones
 */
public record SamplingInput(
    int samples,
    Sampler sampler,
    Guidance guidance,
    long seed,
    float @Nullable [] start,
    @Nullable GivenFrames given,
    float @Nullable [] frameMask,
    float @Nullable [] stepNoise,
    float @Nullable [] editNoise,
    float @Nullable [] reference,
    @Nullable SamplerState resume,
    ReuseSchedule reuse) {
  /** The first step that is left to do, from 0. */
  public int firstStep() {
    return resume == null ? 0 : resume.stepsDone();
  }
}
