package dev.longtake.worker.engine.model;

import java.util.List;

/**
 * The text encoder's tokens and what becomes of them once per job.
 *
 * @param channels of the encoder
 * @param maxTokens the longest text
 * @param nullText for no text
 * @param layers of the projection to C, with a tanh GELU between two; none where blocks read the encoder's width
 */
public record TextInput(int channels, int maxTokens, NullText nullText, List<String> layers) {
  public TextInput {
    layers = List.copyOf(layers);
  }
}
