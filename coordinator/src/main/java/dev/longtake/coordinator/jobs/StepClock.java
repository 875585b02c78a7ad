package dev.longtake.coordinator.jobs;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Collection;
import java.util.Optional;

/**
 * How long steps take, and from the median of the most recent ones, how long it is to the end of sampling. The first step
 * includes the loading of the weights. Thread-safe.
 */
final class StepClock {
  /** Enough that one slow step doesn't move the median, few enough to follow a change of speed. */
  private static final int RECENT_STEPS = 9;

  /** As many as the longest clip has, so that they don't grow with the video. */
  private static final int KEPT_STEPS = 1000;

  // Guarded by this.
  private final ArrayDeque<Long> recentNanos = new ArrayDeque<>();

  /** Without the first one. */
  private final ArrayDeque<Long> stepsNanos = new ArrayDeque<>();

  private long lastNanos;
  private boolean loading = true;
  private boolean hasFirst;

  /**
   * @param startNanos when the orders were sent
   */
  StepClock(long startNanos) {
    this.lastNanos = startNanos;
  }

  /**
   * A step has ended. The first one includes the loading of the weights, so it only counts until there is a second.
   *
   * @param left steps that are still to be done
   */
  synchronized Duration remaining(int left, long nowNanos) {
    if (recentNanos.size() == RECENT_STEPS || (loading && recentNanos.size() == 1)) {
      recentNanos.removeFirst();
      loading = false;
    }
    recentNanos.add(nowNanos - lastNanos);
    if (hasFirst) {
      if (stepsNanos.size() == KEPT_STEPS) {
        stepsNanos.removeFirst();
      }
      stepsNanos.add(nowNanos - lastNanos);
    }
    hasFirst = true;
    lastNanos = nowNanos;
    return Duration.ofNanos(Math.max(0, median(recentNanos) * Math.max(0, left)));
  }

  /** The median of the last thousand steps, without the first; empty when there were none. */
  synchronized Optional<Duration> medianStep() {
    return stepsNanos.isEmpty()
        ? Optional.empty()
        : Optional.of(Duration.ofNanos(median(stepsNanos)));
  }

  private static long median(Collection<Long> nanos) {
    long[] sorted = nanos.stream().mapToLong(Long::longValue).sorted().toArray();
    return sorted[sorted.length / 2];
  }
}
