package dev.longtake.worker.engine.model;

/** A step in computing the vectors that modulate: one small row per branch and timestep, not per token. */
public sealed interface VectorOp {
  /** Name of the vector it makes. */
  String output();

  /** What a sinusoid table is made of. */
  enum Scalar {
    /** 0 to 1000. */
    TIMESTEP,
    /** Frames per second. */
    FRAME_RATE
  }

  /** {@code mlp.2(silu(mlp.0(table(scalar))))} with a table of cosines and sines. */
  record Sinusoid(String output, Scalar scalar, String mlp) implements VectorOp {
    /** Columns of the table, half of them cosines. */
    public static final int TABLE_COLUMNS = 256;
  }

  /** {@code left + right}. */
  record Sum(String output, String left, String right) implements VectorOp {}

  /**
   * {@code layer(silu(input))}.
   *
   * @param rows how many vectors of C channels the layer makes at once
   */
  record SiluLinear(String output, String input, String layer, int rows) implements VectorOp {}
}
