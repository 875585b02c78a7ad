package dev.longtake.worker.engine.model;

/**
 * Adaptive layer norm: vectors of the condition give shift, scale and gate; the input is {@code layerNorm(x) * (1 + scale) +
 * shift}, and the branch's result is multiplied by the gate (DiT, arXiv 2212.09748).
 *
 * @param source the vectors
 * @param shift row of the shift; the scale is the next row and the gate, where there is one, the row after that
 */
public record Modulation(Source source, int shift) {

  /** Vectors of C channels behind each other in one row per branch. */
  public sealed interface Source {
    /** How many vectors. */
    int rows();

    /** A vector that a layer of the block has made. */
    record Vector(String vector, int rows) implements Source {}

    /**
     * A learned table plus a vector (adaLN-single, PixArt, arXiv 2310.00426).
     *
     * @param table name of the weight [rows, C]
     * @param vector name of the vector [rows * C], or [C] which is then added to every row
     */
    record Table(String table, int rows, String vector) implements Source {}
  }

  public int scale() {
    return shift + 1;
  }

  /** The gate in the row after the scale. */
  public Gate gate() {
    return new Gate(source, shift + 2, /* maskedFramesOrdinary= */ false);
  }
}
