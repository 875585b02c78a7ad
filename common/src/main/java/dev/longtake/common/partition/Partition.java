package dev.longtake.common.partition;

import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;

/**
 * An axis of {@code size} divided among ranks into consecutive ranges. With equal shares their sizes differ by at most one,
 * larger ones first; else each rank gets its quota {@code size * share / sum} rounded down, and the elements left over go to those
 * with the largest remainders, lower ranks first. Nothing is padded: with more ranks than elements, some have an empty range.
 * Immutable.
 */
public final class Partition {
  private final int[] starts;

  /**
   * Equal shares.
   *
   * @param ranks at least 1
   */
  public Partition(int size, int ranks) {
    this(size, equal(ranks));
  }

  /**
   * Shares in proportion to {@code shares}.
   *
   * @param shares one per rank, each at least 1
   */
  public Partition(int size, List<Integer> shares) {
    if (size < 0 || shares.isEmpty() || Collections.min(shares) < 1) {
      throw new IllegalArgumentException(
          "Expected size >= 0 and shares of at least 1, but got " + size + ", " + shares);
    }
    long sum = shares.stream().mapToLong(Integer::longValue).sum();
    int ranks = shares.size();
    int[] sizes = new int[ranks];
    long[] remainders = new long[ranks];
    int left = size;
    for (int rank = 0; rank < ranks; rank++) {
      long quota = (long) size * shares.get(rank);
      sizes[rank] = (int) (quota / sum);
      remainders[rank] = quota % sum;
      left -= sizes[rank];
    }
    Integer[] order = new Integer[ranks];
    Arrays.setAll(order, rank -> rank);
    // A stable sort: equal remainders stay in order of the ranks.
    Arrays.sort(order, Comparator.comparingLong((Integer rank) -> remainders[rank]).reversed());
    for (int i = 0; i < left; i++) {
      sizes[order[i]]++;
    }
    starts = new int[ranks + 1];
    for (int rank = 0; rank < ranks; rank++) {
      starts[rank + 1] = starts[rank] + sizes[rank];
    }
  }

  private static List<Integer> equal(int ranks) {
    if (ranks < 1) {
      throw new IllegalArgumentException("Expected at least one rank, but got " + ranks);
    }
    return Collections.nCopies(ranks, 1);
  }

  /** How many ranges there are. */
  public int ranks() {
    return starts.length - 1;
  }

  /** The range of one rank, 0 to ranks - 1. */
  public Range of(int rank) {
    if (rank < 0 || rank >= ranks()) {
      throw new IllegalArgumentException(
          "Expected a rank of 0 to " + (ranks() - 1) + ", but got " + rank);
    }
    return new Range(starts[rank], starts[rank + 1]);
  }

  /** Size of the largest range. */
  public int largest() {
    int largest = 0;
    for (int rank = 0; rank < ranks(); rank++) {
      largest = Math.max(largest, starts[rank + 1] - starts[rank]);
    }
    return largest;
  }
}
