package dev.longtake.coordinator.api;

import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Runs one piece of work whenever somebody wishes it, never twice at once: whoever wishes it while it runs makes it run once more. So
 * what it does needs no lock, and wishes are never lost. Thread-safe.
 */
final class SerialRuns {
  private final Runnable work;
  private final Executor executor;
  private final AtomicInteger wishes = new AtomicInteger();

  /**
   * @param executor for those who must not be kept
   */
  SerialRuns(Runnable work, Executor executor) {
    this.work = work;
    this.executor = executor;
  }

  /** Runs it soon, by another thread. */
  void wish() {
    try {
      executor.execute(this::run);
    } catch (RejectedExecutionException e) {
      // The server has stopped, and with it the call that this is for.
    }
  }

  /** Runs it now, unless another thread does, which then runs it once more. */
  void run() {
    if (wishes.getAndIncrement() != 0) {
      return;
    }
    int seen = 1;
    do {
      work.run();
      seen = wishes.addAndGet(-seen);
    } while (seen != 0);
  }
}
