package dev.longtake.worker.engine.exec;

import java.util.List;

/** The text tokens of one row of the batch. Only real tokens, no padding. */
public sealed interface TextRow {
  int tokens();

  /**
   * The text encoder's output.
   *
   * @param values [tokens, channels]
   * @param tokenIds what was encoded, [tokens]; empty where nobody said
   * @param unconditional whether guidance moves away from it, as it does for every prompt
   */
  record Encoded(float[] values, int tokens, List<Integer> tokenIds, boolean unconditional)
      implements TextRow {
    public Encoded {
      tokenIds = List.copyOf(tokenIds);
    }

    /** Of a prompt whose token ids nobody knows. */
    public Encoded(float[] values, int tokens) {
      this(values, tokens, List.of(), /* unconditional= */ false);
    }
  }

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
