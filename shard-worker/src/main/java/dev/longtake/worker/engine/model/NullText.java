package dev.longtake.worker.engine.model;

/** What a model reads where there is no text. */
public sealed interface NullText {
  /**
   * A learned caption.
   *
   * @param tensor name of the weight: [max tokens, channels], or [1, channels] for a pooled text
   */
  record Stored(String tensor) implements NullText {}

  /** Zeros of the text's size. */
  record Zeros() implements NullText {}

  /** Nothing of its own: who guides away from no text gives the encoded empty prompt. */
  record Encoded() implements NullText {}
}
