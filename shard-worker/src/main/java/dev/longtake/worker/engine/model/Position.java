package dev.longtake.worker.engine.model;

/** Sine-cosine positions as vectors of C channels, computed from a token's place. */
public sealed interface Position {
  /**
   * By the place in the frame: row i sits at {@code i / scale * base / rows}, likewise the columns, with a base of the whole grid
   * that stands for the size the model was trained at.
   *
   * @param scale fixed divisor
   * @param inputSquareSize where positive, the divisor is also {@code sqrt(pixelHeight * pixelWidth) / inputSquareSize}
   */
  record Grid(double scale, int inputSquareSize, Base base) implements Position {}

  /** How many cells a grid counts as along each side. */
  sealed interface Base {
    /**
     * Cells of a side.
     *
     * @param patches of the grid
     * @return 0 for as many as it has
     */
    default double cells(int patches) {
      return switch (this) {
        case Own() -> 0;
        case Root(boolean rounded) ->
            rounded ? Math.rint(Math.sqrt(patches)) : Math.floor(Math.sqrt(patches));
        case Fixed(double cells) -> cells;
      };
    }

    /** As many as it has. */
    record Own() implements Base {}

    /** {@code sqrt(rows * columns)}, to the next integer or to the next smaller one. */
    record Root(boolean rounded) implements Base {}

    record Fixed(double cells) implements Base {}
  }

  /**
   * By the frame: frame i sits at {@code i / scale}.
   *
   * @param ofImages whether a clip of a single frame gets a position too; it isn't zero
   */
  record Frames(double scale, boolean ofImages) implements Position {}

  /**
   * By the place i in the sequence, text tokens in front counted, as if the sequence were rows of a square grid: row {@code i div
   * G}, column {@code i mod G}, {@code G = ceil(sqrt(max(tokens, the sequence's length)))}. Open-Sora of March 2024.
   */
  record Sequence(int tokens) implements Position {}
}
