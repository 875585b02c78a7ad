package dev.longtake.worker.device;

/**
 * Key/value compression of PixArt-Sigma (arXiv 2403.04692): the tokens of a frame are laid out as an image, a convolution
 * with one kernel per channel and a stride of the kernel's size turns each cell of {@code factor * factor} tokens into
 * one, and an affine layer norm over the C channels follows. Incomplete cells at the right and lower edge are dropped.
 *
 * @param gridRows rows of a frame's image, in tokens
 * @param gridColumns columns of a frame's image, in tokens
 * @param factor edge of a cell, in tokens
 * @param kernel [C, factor * factor], row-major within a cell, F32
 * @param bias [1, C], F32
 * @param normWeight [1, C], F32
 * @param normBias [1, C], F32
 * @param epsilon of the norm
 */
public record TokenReduction(
    int gridRows,
    int gridColumns,
    int factor,
    Matrix kernel,
    Matrix bias,
    Matrix normWeight,
    Matrix normBias,
    float epsilon) {
  /** Tokens of a frame before. */
  public int inputTokens() {
    return Math.multiplyExact(gridRows, gridColumns);
  }

  /** Tokens of a frame after. */
  public int outputTokens() {
    return gridRows / factor * (gridColumns / factor);
  }
}
