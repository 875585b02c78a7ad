package dev.longtake.worker.engine.sampler;

import org.jspecify.annotations.Nullable;

/**
 * All that the steps up to one leave for those after it, of whole clips [samples, channels, frames, height, width].
 *
 * @param stepsDone 1 to steps - 1
 * @param previous the last step's {@link SamplerStep.Estimate}; null for samplers that remember nothing
 * @param restReused steps of those done that took over what all blocks but the first one add
 */
public record SamplerState(
    int stepsDone, float[] latents, float @Nullable [] previous, int restReused) {}
