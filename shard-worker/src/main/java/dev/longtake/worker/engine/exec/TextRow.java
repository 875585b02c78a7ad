package dev.longtake.worker.engine.exec;

/** The text tokens of one row of the batch. Only real tokens, no padding. */
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

  /** For models that take no text tokens. */
  record None() implements TextRow {
    @Override
    public int tokens() {
      return 0;
    }
  }
}
