package dev.longtake.worker.engine.exec;

/** What one row of the batch is conditioned on. Only real tokens, no padding. */
public sealed interface TextRow {
  int tokens();

  /**
   * The text encoder's output.
   *
   * @param values [tokens, channels]
   */
  record Encoded(float[] values, int tokens) implements TextRow {}

  /** The model's null caption, cut to this many tokens. */
  record Null(int tokens) implements TextRow {}
}
