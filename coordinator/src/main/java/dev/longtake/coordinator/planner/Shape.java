package dev.longtake.coordinator.planner;

import dev.longtake.common.plan.SequenceMode;
import java.util.Collections;
import java.util.List;

/**
 * A plan without the blocks of its stages.
 *
 * @param groups of branches
 * @param ranks that share a sequence
 * @param shares of the sequence ranks, one each
 * @param parts of a worker's rows, computed by turns
 */
record Shape(
    int groups, int stages, int ranks, SequenceMode mode, List<Integer> shares, int parts) {
  static Shape equalShares(int groups, int stages, int ranks, SequenceMode mode, int parts) {
    return new Shape(groups, stages, ranks, mode, Collections.nCopies(ranks, 1), parts);
  }

  int workers() {
    return groups * stages * ranks;
  }
}
