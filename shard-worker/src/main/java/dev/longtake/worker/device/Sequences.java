package dev.longtake.worker.device;

/**
 * Rows of a matrix seen as sequences: token i of sequence s is row {@code firstRow[s] + i * rowStride}, for i below
 * {@code length[s]}. Strides let attention run along any axis without moving a tensor; lengths take the place of masks.
 */
public record Sequences(int[] firstRow, int[] length, int rowStride) {
  public Sequences {
    if (firstRow.length != length.length) {
      throw new IllegalArgumentException(
          "Expected one length per sequence, but got %d for %d"
              .formatted(length.length, firstRow.length));
    }
  }

  public int count() {
    return firstRow.length;
  }
}
