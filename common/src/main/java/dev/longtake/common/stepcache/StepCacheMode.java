package dev.longtake.common.stepcache;

import java.util.EnumSet;
import java.util.Map;
import java.util.Set;

/**
 * What denoising steps take over from earlier ones. A mode changes the video, but whatever it is, the video is the same bytes for any
 * number of workers and any plan: what is taken over, and when, depends on nothing but the request.
 */
public sealed interface StepCacheMode {
  /** The operations that some step takes over, each on its own. */
  default Set<Reusable> operations() {
    return Set.of();
  }

  /** Whether what the blocks behind the first one add can be taken over. */
  default boolean isFirstBlock() {
    return false;
  }

  /** Whether nothing is ever kept for a later step. */
  default boolean keepsNothing() {
    return operations().isEmpty() && !isFirstBlock();
  }

  /** Every step is computed: {@link StepCaches#EXACT}. */
  record Exact() implements StepCacheMode {}

  /**
   * Pyramid Attention Broadcast (arXiv 2408.12588).
   *
   * @param ranges steps from one computed result to the next, at least 1; operations without a range are always computed
   * @param from of the window in which results are taken over, exclusive, in thousandths of the timestep of pure noise
   * @param to where the window ends, exclusive; more than {@code from}
   */
  record Broadcast(Map<Reusable, Integer> ranges, double from, double to) implements StepCacheMode {
    public Broadcast {
      ranges = Map.copyOf(ranges);
    }

    @Override
    public Set<Reusable> operations() {
      Set<Reusable> operations = EnumSet.noneOf(Reusable.class);
      ranges.forEach((operation, range) -> {
        if (range > 1) {
          operations.add(operation);
        }
      });
      return operations;
    }

    /** Whether a step takes an operation's result over; {@code step} counts from 0. */
    public boolean reuses(Reusable operation, int step, double thousandth) {
      int range = ranges.getOrDefault(operation, 1);
      return step % range != 0 && from < thousandth && thousandth < to;
    }
  }

  /**
   * First-block cache.
   *
   * @param threshold of the relative difference below which the rest is taken over, 0 to 1; 0: never
   * @param refreshEvery steps that are multiples of it are computed, at least 1
   */
  record FirstBlock(double threshold, int refreshEvery) implements StepCacheMode {
    @Override
    public boolean isFirstBlock() {
      return true;
    }

    /** Whether a step, counted from 0, takes the rest over if little changes. */
    public boolean mayReuse(int step) {
      return threshold > 0 && step % refreshEvery != 0;
    }
  }
}
