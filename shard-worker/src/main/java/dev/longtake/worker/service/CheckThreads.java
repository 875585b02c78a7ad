package dev.longtake.worker.service;

import java.time.Duration;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/** The threads of a {@link SelfCheck}: one that waits, one that computes. */
final class CheckThreads implements SelfCheck.Timer, Executor {
  private final ScheduledThreadPoolExecutor timer =
      new ScheduledThreadPoolExecutor(
          1, Thread.ofPlatform().name("lt-check-timer").daemon().factory());

  /** The check has one computation under way at most, so nothing queues. */
  private final ExecutorService computing =
      Executors.newSingleThreadExecutor(Thread.ofPlatform().name("lt-check").daemon().factory());

  CheckThreads() {
    timer.setExecuteExistingDelayedTasksAfterShutdownPolicy(false);
  }

  @Override
  public void after(Duration delay, Runnable task) {
    try {
      var _ = timer.schedule(task, delay.toNanos(), TimeUnit.NANOSECONDS);
    } catch (RejectedExecutionException e) {
      // The worker closes; there is no next time.
    }
  }

  @Override
  public void execute(Runnable task) {
    try {
      computing.execute(task);
    } catch (RejectedExecutionException e) {
      // The worker closes.
    }
  }

  /** Begins nothing more and waits for what runs, bounded; false when that hangs. */
  boolean stop(Duration wait) {
    timer.shutdownNow();
    computing.shutdown();
    try {
      return computing.awaitTermination(wait.toNanos(), TimeUnit.NANOSECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }
}
