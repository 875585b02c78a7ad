package dev.longtake.worker.engine.reuse;

import dev.longtake.common.stepcache.Reusable;
import java.util.Map;

/**
 * What a run computed and what it took over, of the whole network: an operation in a step is one, whatever its share on a rank.
 *
 * @param stepsWithReuse in which something was taken over
 * @param operations attentions and MLPs of all steps
 * @param reused of these, those that were taken over
 */
public record ReuseCounts(
    int steps, int stepsWithReuse, long operations, Map<Reusable, Long> reused) {
  public ReuseCounts {
    reused = Map.copyOf(reused);
  }

  /** Operations of one kind that were taken over. */
  public long reused(Reusable operation) {
    return reused.getOrDefault(operation, 0L);
  }
}
