package dev.longtake.worker.engine.sampler;

/**
 * The first frames of clips in the place of noise, as the segments of Open-Sora 1.2 begin with the end of the one before ({@code
 * apply_mask_strategy}). The frame mask says how much of them is kept.
 *
 * @param latents [samples, channels, {@code frames}, height, width]
 */
public record GivenFrames(int frames, float[] latents) {}
