package dev.longtake.worker.engine;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Whose turn it is on a device: one thread computes at a time, and whoever waits for a peer lets another compute. First come, first
 * served. Results do not depend on the order, because what takes turns shares nothing but weights.
 */
public final class ComputeTurn {
  /** Nobody computes this long without an exchange or the end of a step; a longer wait means that a thread hangs. */
  private static final long DEADLINE_MINUTES = 60;

  private final ReentrantLock lock = new ReentrantLock(/* fair= */ true);

  /**
   * Waits for the turn.
   *
   * @throws LongtakeException TIMED_OUT after an hour; CANCELED when interrupted
   */
  public void take() {
    try {
      if (!lock.tryLock(DEADLINE_MINUTES, TimeUnit.MINUTES)) {
        throw new LongtakeException(
            ErrorCode.TIMED_OUT,
            "Expected the device to become free within %d min, but another part of the work holds it; restart the worker"
                .formatted(DEADLINE_MINUTES));
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LongtakeException(
          ErrorCode.CANCELED, "Interrupted while waiting for the device", e);
    }
  }

  /** Takes the turn if nobody has it or waits for it; returns whether it did. */
  public boolean takeIfFree() {
    return !lock.hasQueuedThreads() && lock.tryLock();
  }

  /** Lets others compute. */
  public void give() {
    lock.unlock();
  }

  /** Lets others compute if this thread has the turn; for cleaning up after a failure. */
  public void giveIfHeld() {
    if (lock.isHeldByCurrentThread()) {
      lock.unlock();
    }
  }
}
