package dev.longtake.worker.service;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.EncodeTextResponse;

/** Turns a prompt into token ids and their embedding. Called by one thread at a time, not that of the orders. */
@FunctionalInterface
public interface PromptEncoder {
  /**
   * Encodes one prompt.
   *
   * @param prompt not blank, or empty for the null text
   *
   * @throws LongtakeException INVALID_REQUEST (field {@code prompt}) when it has more tokens than the model takes
   */
  EncodeTextResponse encode(String prompt);

  /**
   * The token ids of one prompt without their embedding; encoders that can do it in less time do.
   *
   * @param prompt not blank, or empty for the null text
   * @throws LongtakeException as {@link #encode}
   */
  default EncodeTextResponse tokenize(String prompt) {
    return encode(prompt).toBuilder().clearEmbedding().build();
  }
}
