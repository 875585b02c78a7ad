package dev.longtake.coordinator.leader;

import java.util.function.LongSupplier;

/**
 * One term of leading, as long as its holder may act on it. It ends by the holder's own monotonic clock, and that before it ends by the
 * database's: time is counted from before the statement that renewed it, and a sixth of it is kept back. Thread-safe.
 */
public final class Lease {
  private final long epoch;
  private final LongSupplier nanoTime;
  private volatile long endNanos;
  private volatile boolean isLost;

  /**
   * @param endNanos by {@code nanoTime}, when the holder must stop
   */
  Lease(long epoch, long endNanos, LongSupplier nanoTime) {
    this.epoch = epoch;
    this.nanoTime = nanoTime;
    this.endNanos = endNanos;
  }

  /** Larger than that of every lease before. */
  public long epoch() {
    return epoch;
  }

  /** Whether its holder may act. Once it may not, it never may again. */
  public boolean isHeld() {
    return leftNanos() > 0;
  }

  /** Until the holder must stop, when it is not renewed; 0 when it must now. */
  long leftNanos() {
    if (isLost) {
      return 0;
    }
    long left = endNanos - nanoTime.getAsLong();
    if (left <= 0) {
      isLost = true;
    }
    return Math.max(0, left);
  }

  void renewed(long newEndNanos) {
    endNanos = newEndNanos;
  }

  void lose() {
    isLost = true;
  }
}
