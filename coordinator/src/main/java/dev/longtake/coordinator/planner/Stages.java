package dev.longtake.coordinator.planner;

import dev.longtake.common.partition.Partition;
import dev.longtake.common.partition.Range;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * Divides blocks among stages so that the slowest stage is as fast as can be, within each stage's memory: a dynamic programme over
 * (stage, blocks so far). The best division of the first b blocks among the first s stages is, over all a, the larger of the best
 * division of a blocks among s - 1 stages and of stage s with blocks a to b. A range only grows dearer towards lower a, so
 * that the search ends where the range alone is no better than what was found, or no longer fits.
 */
final class Stages {
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
    // Of the stages so far and blocks from 0: seconds of the slowest stage, and where the last one
    // starts.
    double[] before = new double[blocks + 1];
    Arrays.fill(before, Double.POSITIVE_INFINITY);
    before[0] = 0;
    int[][] starts = new int[stages][blocks + 1];
    for (int stage = 0; stage < stages; stage++) {
      double[] now = new double[blocks + 1];
      Arrays.fill(now, Double.POSITIVE_INFINITY);
      // Every later stage needs a block too.
      for (int end = stage + 1; end <= blocks - (stages - 1 - stage); end++) {
        double seconds = costs.fixed(stage);
        for (int start = end - 1; start >= stage; start--) {
          seconds += costs.block(stage, start);
          if (seconds >= now[end] || !costs.fits(stage, new Range(start, end))) {
            break;
          }
          double slowest = Math.max(before[start], seconds);
          if (slowest < now[end]) {
            now[end] = slowest;
            starts[stage][end] = start;
          }
        }
      }
      before = now;
    }
    if (before[blocks] == Double.POSITIVE_INFINITY) {
      return Optional.empty();
    }
    ArrayDeque<Range> ranges = new ArrayDeque<>();
    int end = blocks;
    for (int stage = stages - 1; stage >= 0; stage--) {
      ranges.addFirst(new Range(starts[stage][end], end));
      end = starts[stage][end];
    }
    return Optional.of(List.copyOf(ranges));
  }

  /** Equally many blocks each, as far as that goes. */
  static List<Range> evenly(int blocks, int stages) {
    Partition parts = new Partition(blocks, stages);
    return IntStream.range(0, stages).mapToObj(parts::of).toList();
  }
}
