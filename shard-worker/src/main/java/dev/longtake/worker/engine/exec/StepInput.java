package dev.longtake.worker.engine.exec;

import dev.longtake.worker.device.Matrix;
import org.jspecify.annotations.Nullable;

/**
 * What changes from step to step.
 *
 * @param latents this rank's, rows {@code [sample, channel, frame]}, columns {@code [height * width]}, F32
 * @param timesteps one per branch
 * @param reference for models that see reference latents: [branch * (1 + channels) * frame, height * width], in each branch
 *     first the mask; null: none are given, which the model sees as zeros
 * @param generated per branch and token frame of the whole clip; false: the frame is treated as t = 0. Null: all true
 */
public record StepInput(
    Matrix latents,
    float[] timesteps,
    @Nullable Matrix reference,
    boolean @Nullable [][] generated) {}
