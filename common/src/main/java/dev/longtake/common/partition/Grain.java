package dev.longtake.common.partition;

/**
 * How large pieces of tokens should be on a device.
 *
 * @param strands pieces that are computed at once, at most
 * @param rows with fewer, a piece's products are slower
 */
public record Grain(int strands, int rows) {
  /** Pieces are as large as they can be, one after the other. */
  public static final Grain WHOLE = new Grain(1, Integer.MAX_VALUE);

  /** Checks that both are positive. */
  public Grain {
    if (strands < 1 || rows < 1) {
      throw new IllegalArgumentException(
          "Expected at least one strand and one row, but got %d and %d".formatted(strands, rows));
    }
  }
}
