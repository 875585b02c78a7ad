package dev.longtake.worker.service;

import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.Executor;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Finds out whether a worker can compute: again and again, while no order runs, it lets the worker compute something small and compares
 * the bits with those of the first time. A failure, other bits, or no answer in time is a fault, until a check passes. Thread-safe.
 */
final class SelfCheck {
  private static final Logger LOG = LoggerFactory.getLogger(SelfCheck.class);

  /** From the end of a check to the next one. */
  static final Duration PERIOD = Duration.ofSeconds(30);

  /** The first one may have to read weights from a cold disk. */
  static final Duration DEADLINE = Duration.ofSeconds(30);

  /** What runs a task later, unless the worker has closed by then. */
  interface Timer {
    void after(Duration delay, Runnable task);
  }

  private final Supplier<float @Nullable []> computation;
  private final BooleanSupplier busy;
  private final Consumer<String> faults;
  private final Timer timer;
  private final Executor thread;
  private float @Nullable [] expected; // guarded by this
  private long current; // the check that runs, or the last one; guarded by this
  private boolean running; // guarded by this

  /**
   * Checks that have not begun.
   *
   * @param computation gives the same bits each time, or null when the device is not free
   * @param busy whether orders run, which are evidence enough
   * @param faults told one sentence when a fault is found or changes, and the empty text when it is gone
   * @param thread runs one computation at a time
   */
  SelfCheck(
      Supplier<float @Nullable []> computation,
      BooleanSupplier busy,
      Consumer<String> faults,
      Timer timer,
      Executor thread) {
    this.computation = computation;
    this.busy = busy;
    this.faults = faults;
    this.timer = timer;
    this.thread = thread;
  }

  /** Begins the first check. */
  void start() {
    begin();
  }

  private void begin() {
    if (busy.getAsBoolean()) {
      timer.after(PERIOD, this::begin);
      return;
    }
    long mine;
    synchronized (this) {
      running = true;
      mine = ++current;
    }
    timer.after(DEADLINE, () -> late(mine));
    thread.execute(this::check);
  }

  private void check() {
    @Nullable String fault;
    try {
      float[] result = computation.get();
      fault = result == null ? null : compared(result);
    } catch (RuntimeException | Error e) {
      LOG.error("The self-check failed", e);
      fault =
          "The self-check failed: %s; restart the worker if it stays so".formatted(e.getMessage());
    }
    synchronized (this) {
      running = false;
    }
    if (fault != null) {
      faults.accept(fault);
    }
    timer.after(PERIOD, this::begin);
  }

  /** The fault, empty for none. */
  private synchronized String compared(float[] result) {
    float[] first = expected;
    if (first == null) {
      expected = result;
      return "";
    }
    int at = mismatch(first, result);
    return at < 0
        ? ""
        : "The self-check gave other bits than the first time, from value %d of %d on: the device computes wrongly; restart the worker, or replace the hardware"
            .formatted(at, first.length);
  }

  /** Bit by bit, so that NaN is NaN and zeros have signs; -1 for equal bits. */
  private static int mismatch(float[] expected, float[] result) {
    return Arrays.mismatch(bits(expected), bits(result));
  }

  private static int[] bits(float[] values) {
    int[] bits = new int[values.length];
    Arrays.setAll(bits, i -> Float.floatToRawIntBits(values[i]));
    return bits;
  }

  private void late(long check) {
    boolean isLate;
    synchronized (this) {
      isLate = running && current == check;
    }
    if (isLate) {
      faults.accept(
          "The self-check has not ended within %d s: the device hangs; restart the worker"
              .formatted(DEADLINE.toSeconds()));
    }
  }
}
