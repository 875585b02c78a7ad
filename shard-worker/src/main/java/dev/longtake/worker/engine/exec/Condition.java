package dev.longtake.worker.engine.exec;

import dev.longtake.common.partition.Range;
import java.util.List;

/**
 * What stays the same through a job.
 *
 * @param frameMasks whether any step will treat frames as t = 0
 */
public record Condition(List<Branch> branches, boolean frameMasks) {
  public Condition {
    branches = List.copyOf(branches);
  }

  /** The same for some of the branches only. */
  public Condition ofBranches(Range some) {
    return new Condition(branches.subList(some.start(), some.end()), frameMasks);
  }

  int count() {
    return branches.size();
  }

  /** Rows of every vector: one per branch, and where frames may be masked another for t = 0. */
  int vectorRows() {
    return frameMasks ? 2 * count() : count();
  }

  /** Text tokens of all branches. */
  public int textTokens() {
    return branches.stream().mapToInt(branch -> branch.text().tokens()).sum();
  }
}
