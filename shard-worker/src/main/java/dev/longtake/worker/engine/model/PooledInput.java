package dev.longtake.worker.engine.model;

/**
 * The whole text as one vector.
 *
 * @param channels of the vector
 * @param nullText for no text
 */
public record PooledInput(int channels, NullText nullText) {}
