package dev.longtake.worker.engine.reuse;

import dev.longtake.common.stepcache.Reusable;
import java.util.Set;

/**
 * What one step takes over, as far as it is known before.
 *
 * @param reused operations whose results are those of an earlier step
 * @param kept operations whose results the next step takes over
 * @param restThreshold of the first block's relative change below which what all other blocks add is taken over; 0: it is computed
 */
public record StepReuse(Set<Reusable> reused, Set<Reusable> kept, double restThreshold) {
  /** Everything is computed, and nothing kept. */
  public static final StepReuse NONE = new StepReuse(Set.of(), Set.of(), 0);

  public StepReuse {
    reused = Set.copyOf(reused);
    kept = Set.copyOf(kept);
  }

  /** Whether the first block decides about the others. */
  public boolean isOpen() {
    return restThreshold > 0;
  }
}
