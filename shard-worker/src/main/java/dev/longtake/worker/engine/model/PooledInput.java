package dev.longtake.worker.engine.model;

import org.jspecify.annotations.Nullable;

/**
 * The whole text as one vector.
 *
 * @param channels of the vector
 * @param nullVector name of the stored vector [1, channels] for no text; null where zeros stand for it
 */
public record PooledInput(int channels, @Nullable String nullVector) {}
