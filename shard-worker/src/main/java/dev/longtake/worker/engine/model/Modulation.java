package dev.longtake.worker.engine.model;

/**
 * Adaptive layer norm with a table (adaLN-single, PixArt, arXiv 2310.00426): the sum of a learned table and a vector of
 * the timestep gives shift, scale and gate vectors; the input is {@code layerNorm(x) * (1 + scale) + shift}, and the
 * branch's result is multiplied by the gate.
 *
 * @param table name of the weight [tableRows, C]
 * @param vector name of the vector [tableRows * C], or [C] which is then added to every row
 * @param shift row of the shift; the scale is the next row and the gate, where there is one, the row after that
 */
public record Modulation(String table, int tableRows, String vector, int shift) {
  public int scale() {
    return shift + 1;
  }

  public int gate() {
    return shift + 2;
  }
}
