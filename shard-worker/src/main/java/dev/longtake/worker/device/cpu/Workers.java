package dev.longtake.worker.device.cpu;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * The device's threads {@code lt-cpu-1}, {@code lt-cpu-2}, ...; the caller is thread 0 and works as well. Tasks of a call
 * are taken in order by whoever is free: which thread runs a task must not change its result.
 */
final class Workers implements Threads, AutoCloseable {
  /** No kernel runs nearly this long; a longer wait means that a thread hangs. */
  private static final long DEADLINE_NANOS = TimeUnit.MINUTES.toNanos(30);

  private static final long JOIN_MILLIS = 5_000;

  private final List<Thread> threads = new ArrayList<>();
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition published = lock.newCondition();
  private final Condition finished = lock.newCondition();
  private @Nullable Job current; // guarded by lock
  private boolean closed; // guarded by lock

  Workers(int count) {
    if (count < 1) {
      throw new IllegalArgumentException("Expected at least 1 thread, but got " + count);
    }
    for (int i = 1; i < count; i++) {
      int index = i;
      threads.add(Thread.ofPlatform().name("lt-cpu-" + i).daemon().start(() -> serve(index)));
    }
  }

  @Override
  public int count() {
    return threads.size() + 1;
  }

  /**
   * Runs tasks 0 to {@code tasks - 1} and returns when all are done. Rethrows the first failure; tasks not yet begun are
   * then skipped. An interrupt is kept for later, because the tasks write to memory that the caller may free.
   */
  @Override
  public void run(int tasks, Body body) {
    if (threads.isEmpty() || tasks <= 1) {
      for (int task = 0; task < tasks; task++) {
        body.run(0, task);
      }
      return;
    }
    Job job = new Job(tasks, body);
    lock.lock();
    try {
      current = job;
      published.signalAll();
    } finally {
      lock.unlock();
    }
    job.work(0);
    awaitEnd(job);
    Throwable failure = job.failure.get();
    if (failure instanceof Error error) {
      throw error;
    }
    if (failure instanceof RuntimeException exception) {
      throw exception;
    }
  }

  private void awaitEnd(Job job) {
    boolean interrupted = false;
    long remainingNanos = DEADLINE_NANOS;
    lock.lock();
    try {
      current = null;
      while (!job.isDone()) {
        try {
          remainingNanos = finished.awaitNanos(remainingNanos);
        } catch (InterruptedException e) {
          interrupted = true;
        }
        if (remainingNanos <= 0) {
          throw new LongtakeException(
              ErrorCode.TIMED_OUT,
              "Expected a kernel to end within %d s, but a thread hangs; restart the worker"
                  .formatted(TimeUnit.NANOSECONDS.toSeconds(DEADLINE_NANOS)));
        }
      }
    } finally {
      lock.unlock();
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  private void serve(int thread) {
    for (Job job = next(); job != null; job = next()) {
      job.work(thread);
      lock.lock();
      try {
        if (job.isDone()) {
          finished.signalAll();
        }
      } finally {
        lock.unlock();
      }
    }
  }

  /** Waits for a job that still has tasks; null when closed. An idle thread has no deadline: it waits for work. */
  private @Nullable Job next() {
    lock.lock();
    try {
      while (!closed) {
        Job job = current;
        if (job != null && job.hasTasks()) {
          return job;
        }
        published.awaitUninterruptibly();
      }
      return null;
    } finally {
      lock.unlock();
    }
  }

  /** Ends the threads. */
  @Override
  public void close() {
    lock.lock();
    try {
      closed = true;
      published.signalAll();
    } finally {
      lock.unlock();
    }
    boolean interrupted = false;
    for (Thread thread : threads) {
      try {
        thread.join(JOIN_MILLIS);
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private static final class Job {
    final int tasks;
    final Body body;
    final AtomicInteger next = new AtomicInteger();
    final AtomicInteger done = new AtomicInteger();
    final AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();

    Job(int tasks, Body body) {
      this.tasks = tasks;
      this.body = body;
    }

    boolean hasTasks() {
      return next.get() < tasks;
    }

    boolean isDone() {
      return done.get() == tasks;
    }

    void work(int thread) {
      for (int task = next.getAndIncrement(); task < tasks; task = next.getAndIncrement()) {
        if (failure.get() == null) {
          attempt(thread, task);
        }
        done.incrementAndGet();
      }
    }

    // Any failure of a task, an assertion or a lack of memory too, must reach the caller.
    private void attempt(int thread, int task) {
      try {
        body.run(thread, task);
      } catch (RuntimeException | Error e) {
        failure.compareAndSet(null, e);
      }
    }
  }
}
