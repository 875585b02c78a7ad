package dev.longtake.worker.engine.sampler;

import dev.longtake.worker.device.Matrix;
import org.jspecify.annotations.Nullable;

/**
 * A rank's part of a {@link SamplerState}, on the device: rows [sample, channel, frame] of its frames, columns [height * width],
 * F32. Valid until the next step.
 *
 * @param previous null for samplers that remember nothing
 */
public record LocalState(Matrix latents, @Nullable Matrix previous) {}
