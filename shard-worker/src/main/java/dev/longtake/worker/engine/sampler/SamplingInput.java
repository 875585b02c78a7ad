package dev.longtake.worker.engine.sampler;

import org.jspecify.annotations.Nullable;

/**
 * What to sample. Arrays are of the whole clip; a rank takes its part.
 *
 * @param samples clips at once; their branches are conditional rows first, then unconditional ones
 * @param seed of the noise; the sample's index is added
 * @param start [samples, channels, frames, height, width] instead of noise from the seed, or null
 * @param frameMask [samples, frames]: 1 generates a frame, 0 keeps it, between: edits it from where {@code 1000 * mask >= t}.
 *     Null: all are generated
 * @param stepNoise [steps, samples, channels, frames, height, width] for the frame mask, instead of the generator's, or null
 */
public record SamplingInput(
    int samples,
    RectifiedFlow flow,
    double guidance,
    long seed,
    float @Nullable [] start,
    float @Nullable [] frameMask,
    float @Nullable [] stepNoise) {}
