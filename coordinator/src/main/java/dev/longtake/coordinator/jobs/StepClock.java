package dev.longtake.coordinator.jobs;

import java.time.Duration;
import java.util.ArrayDeque;

/** Estimates the time to the end of sampling from the median of the most recent steps. Not thread-safe. */
final class StepClock {
  /** Enough that one slow step doesn't move the median, few enough to follow a change of speed. */
  private static final int RECENT_STEPS = 9;

  private final ArrayDeque<Long> recentNanos = new ArrayDeque<>();
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
  Duration remaining(int step, int steps, long nowNanos) {
    if (recentNanos.size() == RECENT_STEPS || (loading && recentNanos.size() == 1)) {
      recentNanos.removeFirst();
      loading = false;
    }
    recentNanos.add(nowNanos - lastNanos);
    lastNanos = nowNanos;
    long[] sorted = recentNanos.stream().mapToLong(Long::longValue).sorted().toArray();
    long medianNanos = sorted[sorted.length / 2];
    return Duration.ofNanos(Math.max(0, medianNanos * Math.max(0, steps - step)));
  }
}
