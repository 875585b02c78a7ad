package dev.longtake.common.partition;

/**
 * An axis of {@code size} divided among {@code ranks} into consecutive ranges whose sizes differ by at most one, larger
 * ones first. Nothing is padded: with more ranks than elements, the last ranks have an empty range.
 */
public record Partition(int size, int ranks) {
  public Partition {
    if (size < 0 || ranks < 1) {
      throw new IllegalArgumentException(
          "Expected size >= 0 and ranks >= 1, but got " + size + ", " + ranks);
    }
  }

  /** The range of one rank, 0 to ranks - 1. */
  public Range of(int rank) {
    if (rank < 0 || rank >= ranks) {
      throw new IllegalArgumentException(
          "Expected a rank of 0 to " + (ranks - 1) + ", but got " + rank);
    }
    int base = size / ranks;
    int larger = size % ranks;
    int start = rank * base + Math.min(rank, larger);
    return new Range(start, start + base + (rank < larger ? 1 : 0));
  }
}
