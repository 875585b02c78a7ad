package dev.longtake.worker.engine.model;

/**
 * {@code fc2(gelu(fc1(y)))} from the encoder's width to C.
 *
 * @param layer prefix of fc1 and fc2
 * @param nullCaption name of the stored null caption [max tokens, text channels]
 */
public record TextProjection(String layer, int textChannels, int maxTokens, String nullCaption) {}
