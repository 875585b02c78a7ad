package dev.longtake.coordinator.cache;

import java.util.List;

/**
 * All that an embedding depends on. Token ids are compared themselves, no digest stands for them.
 *
 * @param encoder which text encoder, and how it computes
 * @param tokenIds of the text
 */
public record EmbeddingKey(String encoder, List<Integer> tokenIds) {
  public EmbeddingKey {
    tokenIds = List.copyOf(tokenIds);
  }
}
