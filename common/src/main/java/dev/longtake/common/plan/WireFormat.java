package dev.longtake.common.plan;

/**
 * How activations are written between two workers. The lossy formats are for networks that are slower than the workers: a plan that
 * uses one says so, and its video is no longer the same for every number of workers.
 */
public enum WireFormat {
  /** As they are stored: nothing is lost. */
  STORED,
  /** Rounded to bfloat16, to nearest, ties to even: half of float32, eight bits of precision. */
  BF16,
  /**
   * Each row (a token, or a token's part) as signed bytes and one float32, its scale: the row's greatest magnitude is 127. A quarter of
   * float32.
   */
  INT8_ROWS;

  /** Whether something is lost. */
  public boolean isLossy() {
    return this != STORED;
  }

  /**
   * Bytes of a row on the wire; never more than it has where it is stored, since a row that would not become smaller stays as it is.
   *
   * @param columns values of the row
   * @param storedBytes of a value, 2 or 4
   */
  public long rowBytes(long columns, int storedBytes) {
    long stored = columns * storedBytes;
    return Math.min(
        stored,
        switch (this) {
          case STORED -> stored;
          case BF16 -> columns * Short.BYTES;
          case INT8_ROWS -> Float.BYTES + columns;
        });
  }
}
