package dev.longtake.coordinator.planner;

import dev.longtake.common.partition.Partition;
import dev.longtake.common.partition.Range;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * Divides blocks among stages so that the slowest stage is as fast as can be, within each stage's memory. For a given limit of time,
 * every stage takes as many blocks as time and memory let it: no division could be further after any stage, because a part of a
 * range never needs more than the whole. So a limit is possible if and only if this reaches the last block, and bisection finds the
 * least one.
 */
final class Stages {
  private static final int MAX_BISECTIONS = 40;
  private static final double PRECISION = 1e-4;

  /** What the stages cost. Costs of a range are those of its blocks and the stage's fixed one. */
  interface Costs {
    double block(int stage, int block);

    double fixed(int stage);

    /** Whether the stage has memory for the blocks; true for every part of a range for which it is true. */
    boolean fits(int stage, Range blocks);
  }

  private Stages() {}

  /** The ranges; empty where memory does not allow any. */
  static Optional<List<Range>> divide(int blocks, int stages, Costs costs) {
    double high = 0;
    for (int stage = 0; stage < stages; stage++) {
      double all = costs.fixed(stage);
      for (int block = 0; block < blocks; block++) {
        all += costs.block(stage, block);
      }
      high = Math.max(high, all);
    }
    Optional<List<Range>> best = fill(blocks, stages, costs, high);
    double low = 0;
    for (int i = 0; best.isPresent() && i < MAX_BISECTIONS && high - low > PRECISION * high; i++) {
      double middle = (low + high) / 2;
      Optional<List<Range>> found = fill(blocks, stages, costs, middle);
      if (found.isPresent()) {
        best = found;
        high = middle;
      } else {
        low = middle;
      }
    }
    return best;
  }

  /** Equally many blocks each, as far as that goes. */
  static List<Range> evenly(int blocks, int stages) {
    Partition parts = new Partition(blocks, stages);
    return IntStream.range(0, stages).mapToObj(parts::of).toList();
  }

  private static Optional<List<Range>> fill(int blocks, int stages, Costs costs, double limit) {
    List<Range> ranges = new ArrayList<>(stages);
    int start = 0;
    for (int stage = 0; stage < stages; stage++) {
      // Every later stage needs a block too.
      int last = blocks - (stages - 1 - stage);
      double seconds = costs.fixed(stage);
      int end = start;
      while (end < last
          && seconds + costs.block(stage, end) <= limit
          && costs.fits(stage, new Range(start, end + 1))) {
        seconds += costs.block(stage, end);
        end++;
      }
      if (end == start) {
        return Optional.empty();
      }
      ranges.add(new Range(start, end));
      start = end;
    }
    return start == blocks ? Optional.of(ranges) : Optional.empty();
  }
}
