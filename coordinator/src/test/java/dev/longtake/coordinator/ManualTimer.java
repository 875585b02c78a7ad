package dev.longtake.coordinator;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.AbstractExecutorService;
import java.util.concurrent.Callable;
import java.util.concurrent.Delayed;
import java.util.concurrent.FutureTask;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;

/** A clock and its timer; time moves, and tasks run, when the test says so, by the thread of the test. */
final class ManualTimer extends AbstractExecutorService implements ScheduledExecutorService {
  private final List<Task> tasks = new ArrayList<>(); // guarded by this
  private long nowNanos; // guarded by this

  synchronized long nanoTime() {
    return nowNanos;
  }

  /** Moves time in steps of at most {@code step}, running what becomes due. */
  void advance(Duration by, Duration step) {
    long endNanos = nanoTime() + by.toNanos();
    while (nanoTime() < endNanos) {
      List<Task> due;
      synchronized (this) {
        nowNanos = Math.min(endNanos, nowNanos + step.toNanos());
        due = tasks.stream().filter(task -> task.dueNanos <= nowNanos).toList();
        for (Task task : due) {
          task.dueNanos += task.periodNanos;
        }
        tasks.removeIf(task -> task.isCancelled() || (task.periodNanos == 0 && due.contains(task)));
      }
      due.forEach(Task::runNow);
    }
  }

  private final class Task extends FutureTask<Void> implements ScheduledFuture<Void> {
    private final long periodNanos;
    private long dueNanos;

    Task(Runnable command, long dueNanos, long periodNanos) {
      super(command, null);
      this.dueNanos = dueNanos;
      this.periodNanos = periodNanos;
    }

    void runNow() {
      if (periodNanos == 0) {
        run();
      } else {
        runAndReset();
      }
    }

    @Override
    public long getDelay(TimeUnit unit) {
      return unit.convert(dueNanos - nanoTime(), TimeUnit.NANOSECONDS);
    }

    @Override
    public int compareTo(Delayed other) {
      return Long.compare(getDelay(TimeUnit.NANOSECONDS), other.getDelay(TimeUnit.NANOSECONDS));
    }
  }

  private synchronized ScheduledFuture<?> add(Runnable command, long delayNanos, long periodNanos) {
    Task task = new Task(command, nowNanos + delayNanos, periodNanos);
    tasks.add(task);
    return task;
  }

  @Override
  public ScheduledFuture<?> schedule(Runnable command, long delay, TimeUnit unit) {
    return add(command, unit.toNanos(delay), 0);
  }

  @Override
  public <V> ScheduledFuture<V> schedule(Callable<V> callable, long delay, TimeUnit unit) {
    throw new UnsupportedOperationException();
  }

  @Override
  public ScheduledFuture<?> scheduleAtFixedRate(
      Runnable command, long initialDelay, long period, TimeUnit unit) {
    return add(command, unit.toNanos(initialDelay), unit.toNanos(period));
  }

  @Override
  public ScheduledFuture<?> scheduleWithFixedDelay(
      Runnable command, long initialDelay, long delay, TimeUnit unit) {
    throw new UnsupportedOperationException();
  }

  @Override
  public void execute(Runnable command) {
    command.run();
  }

  @Override
  public void shutdown() {}

  @Override
  public List<Runnable> shutdownNow() {
    return List.of();
  }

  @Override
  public boolean isShutdown() {
    return false;
  }

  @Override
  public boolean isTerminated() {
    return false;
  }

  @Override
  public boolean awaitTermination(long timeout, TimeUnit unit) {
    return true;
  }
}
