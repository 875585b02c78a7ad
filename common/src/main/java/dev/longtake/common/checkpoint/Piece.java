package dev.longtake.common.checkpoint;

/**
 * Rows of a tensor of a file; rows are along the first axis.
 *
 * @param tensor as the file calls it
 * @param rowStart the first row
 * @param rowEnd after the last row; {@link #ALL_ROWS} for all that the tensor has
 */
public record Piece(String tensor, long rowStart, long rowEnd) {
  /** An end that stands for the tensor's own. */
  public static final long ALL_ROWS = Long.MAX_VALUE;

  public Piece {
    if (rowStart < 0 || rowEnd <= rowStart) {
      throw new IllegalArgumentException(
          "Expected rows of %s from 0 or more to a later one, but got %d to %d"
              .formatted(tensor, rowStart, rowEnd));
    }
  }

  /** The whole tensor, which may be a scalar too. */
  public static Piece whole(String tensor) {
    return new Piece(tensor, 0, ALL_ROWS);
  }

  /** Rows {@code start} to {@code end}, which is not among them. */
  public static Piece rows(String tensor, long start, long end) {
    return new Piece(tensor, start, end);
  }

  boolean isWhole() {
    return rowStart == 0 && rowEnd == ALL_ROWS;
  }
}
