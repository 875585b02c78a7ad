package dev.longtake.worker.engine.trace;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.LongStream;

/**
 * The time line of one lane of a rank. Used by the lane's thread, and by the owner of the {@link RankTrace} while the lane's thread
 * does nothing.
 */
public final class LaneTrace {
  private final int lane;
  private final Runnable settle;
  private final List<Span> spans = new ArrayList<>();
  private int step;
  private String name = "";
  private long sinceNanos;

  /** @param settle run before an operation begins or pauses */
  LaneTrace(int lane, Runnable settle) {
    this.lane = lane;
    this.settle = settle;
  }

  void step(int number) {
    step = number;
  }

  /** An operation begins to compute. */
  public void begin(String operation) {
    settle.run();
    name = operation;
    sinceNanos = System.nanoTime();
  }

  /** The operation stops computing, for a while or for good. */
  public void pause() {
    settle.run();
    long now = System.nanoTime();
    add(Span.Kind.COMPUTE, sinceNanos, now);
    sinceNanos = now;
  }

  /**
   * The same where several operations were computed in turns, or at once: each gets its share of the time since {@link #begin}, one behind the
   * other.
   *
   * @param nanos what each took, on all threads together
   */
  public void pause(List<String> operations, long[] nanos) {
    settle.run();
    long now = System.nanoTime();
    double all = Math.max(1, LongStream.of(nanos).sum());
    long begin = sinceNanos;
    long done = 0;
    for (int i = 0; i < nanos.length; i++) {
      done += nanos[i];
      long end = begin + (long) ((now - begin) * (done / all));
      name = operations.get(i);
      add(Span.Kind.COMPUTE, sinceNanos, end);
      sinceNanos = end;
    }
    sinceNanos = now;
  }

  /** Nanoseconds on a clock of its own, once all operations so far have been computed. For any thread. */
  public long now() {
    settle.run();
    return System.nanoTime();
  }

  /**
   * After {@link #pause}: an exchange of the operation has ended.
   *
   * @param waitedNanos how much of the time since the pause a peer was waited for; the rest was transfer
   */
  public void exchanged(long waitedNanos) {
    long now = System.nanoTime();
    long waitedUntil = sinceNanos + Math.clamp(waitedNanos, 0, now - sinceNanos);
    add(Span.Kind.WAIT, sinceNanos, waitedUntil);
    add(Span.Kind.EXCHANGE, waitedUntil, now);
    sinceNanos = now;
  }

  /** After {@link #exchanged} or {@link #pause}: the lane has waited for the device and computes on. */
  public void resume() {
    long now = System.nanoTime();
    add(Span.Kind.WAIT, sinceNanos, now);
    sinceNanos = now;
  }

  private void add(Span.Kind kind, long startNanos, long endNanos) {
    if (endNanos > startNanos) {
      spans.add(new Span(name, kind, lane, step, startNanos, endNanos));
    }
  }

  List<Span> drain() {
    List<Span> drained = List.copyOf(spans);
    spans.clear();
    return drained;
  }
}
