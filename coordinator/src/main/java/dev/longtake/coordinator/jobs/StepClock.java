package dev.longtake.coordinator.jobs;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Optional;

/**
 * How long steps take, and from the median of the most recent ones, how long it is to the end of sampling. The first step
 * includes the loading of the weights. Thread-safe.
 */
final class StepClock {
  /** Enough that one slow step doesn't move the median, few enough to follow a change of speed. */
  private static final int RECENT_STEPS = 9;

  // Guarded by this.
  private final ArrayDeque<Long> recentNanos = new ArrayDeque<>();
  private final List<Long> stepsNanos = new ArrayList<>();
  private long lastNanos;
  private boolean loading = true;

  /**
   * @param startNanos when the orders were sent
   */
  StepClock(long startNanos) {
    this.lastNanos = startNanos;
  }

  /**
   * A step has ended. The first one includes the loading of the weights, so it only counts until there is a second.
   *
   * @param step 1 to steps
   */
  synchronized Duration remaining(int step, int steps, long nowNanos) {
    if (recentNanos.size() == RECENT_STEPS || (loading && recentNanos.size() == 1)) {
      recentNanos.removeFirst();
      loading = false;
    }
    recentNanos.add(nowNanos - lastNanos);
    stepsNanos.add(nowNanos - lastNanos);
    lastNanos = nowNanos;
    return Duration.ofNanos(Math.max(0, median(recentNanos) * Math.max(0, steps - step)));
  }

  /** The median of all steps but the first; empty when there were none. */
  synchronized Optional<Duration> medianStep() {
    return stepsNanos.size() < 2
        ? Optional.empty()
        : Optional.of(Duration.ofNanos(median(stepsNanos.subList(1, stepsNanos.size()))));
  }

  private static long median(Collection<Long> nanos) {
    long[] sorted = nanos.stream().mapToLong(Long::longValue).sorted().toArray();
    return sorted[sorted.length / 2];
  }
}
