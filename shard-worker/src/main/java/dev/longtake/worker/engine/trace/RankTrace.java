package dev.longtake.worker.engine.trace;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * The time line of one rank of a job. Lanes note what they do; after each step the rank's time is divided among computing,
 * exchanging and being idle, and as many spans are kept as there is room for. Used by one thread while no lane runs.
 */
public final class RankTrace {
  /** Some megabytes; the first steps of a long job. */
  private static final int MAX_SPANS = 1 << 15;

  private final StepObserver observer;
  private final List<LaneTrace> lanes = new ArrayList<>();
  private final List<Span> kept = new ArrayList<>();
  private final long startNanos = System.nanoTime();
  private Totals totals = new Totals(0, 0, 0, 0);
  private long stepStartNanos = startNanos;
  private int step;
  private long dropped;

  /** A rank's time line that is read in the end. */
  public RankTrace(int laneCount) {
    this(laneCount, (_, _) -> {});
  }

  /**
   * A rank's time line.
   *
   * @param laneCount parts of the batch, and one for the sampling loop
   * @param observer hears of each step
   */
  public RankTrace(int laneCount, StepObserver observer) {
    this(laneCount, observer, () -> {});
  }

  /**
   * A time line that shows what operations take on a device that computes later than it is asked to.
   *
   * @param settle waits for the device; run before and after every operation
   */
  public RankTrace(int laneCount, Runnable settle) {
    this(laneCount, (_, _) -> {}, settle);
  }

  private RankTrace(int laneCount, StepObserver observer, Runnable settle) {
    this.observer = observer;
    for (int lane = 0; lane < laneCount; lane++) {
      lanes.add(new LaneTrace(lane, settle));
    }
  }

  /**
   * Nanoseconds since the first step. Compute, exposed exchange and idle time add up to the time that passed.
   *
   * @param compute something was computed
   * @param exposed bytes were under way and nothing was computed
   * @param hidden bytes were under way while something was computed; part of {@code compute}
   * @param idle neither
   */
  public record Totals(long compute, long exposed, long hidden, long idle) {
    Totals plus(Totals other) {
      return new Totals(
          compute + other.compute,
          exposed + other.exposed,
          hidden + other.hidden,
          idle + other.idle);
    }

    /** All the time that passed. */
    public long elapsed() {
      return compute + exposed + idle;
    }
  }

  public LaneTrace lane(int lane) {
    return lanes.get(lane);
  }

  /** A step begins, counted from 1; what came before the first counts for nothing. */
  public void beginStep() {
    if (step == 0) {
      keep(take());
      stepStartNanos = System.nanoTime();
    }
    step++;
    lanes.forEach(lane -> lane.step(step));
  }

  /** The step has ended on all lanes. */
  public void endStep() {
    long now = System.nanoTime();
    List<Span> spans = take();
    Totals ended = sweep(spans, stepStartNanos, now);
    totals = totals.plus(ended);
    stepStartNanos = now;
    observer.stepEnded(spans, ended);
    keep(spans);
  }

  /** What the lanes have noted since the last step, in their order; it is not kept. */
  public List<Span> take() {
    List<Span> spans = new ArrayList<>();
    lanes.forEach(lane -> spans.addAll(lane.drain()));
    return spans;
  }

  private void keep(List<Span> spans) {
    int room = Math.min(spans.size(), MAX_SPANS - kept.size());
    spans.sort(Comparator.comparingLong(Span::startNanos));
    kept.addAll(spans.subList(0, room));
    dropped += spans.size() - room;
  }

  private record Change(long atNanos, Span.Kind kind, int by) {}

  /** Divides the time from {@code from} to {@code to} by what went on at each instant. */
  static Totals sweep(List<Span> spans, long from, long to) {
    List<Change> changes = new ArrayList<>();
    for (Span span : spans) {
      if (span.kind() != Span.Kind.WAIT) {
        changes.add(new Change(Math.clamp(span.startNanos(), from, to), span.kind(), 1));
        changes.add(new Change(Math.clamp(span.endNanos(), from, to), span.kind(), -1));
      }
    }
    changes.sort(Comparator.comparingLong(Change::atNanos));
    int computing = 0;
    int exchanging = 0;
    long at = from;
    long compute = 0;
    long exposed = 0;
    long hidden = 0;
    for (Change change : changes) {
      long nanos = change.atNanos() - at;
      at = change.atNanos();
      if (computing > 0) {
        compute += nanos;
        hidden += exchanging > 0 ? nanos : 0;
      } else if (exchanging > 0) {
        exposed += nanos;
      }
      if (change.kind() == Span.Kind.COMPUTE) {
        computing += change.by();
      } else {
        exchanging += change.by();
      }
    }
    return new Totals(compute, exposed, hidden, to - from - compute - exposed);
  }

  /** Of the steps that have ended. */
  public Totals totals() {
    return totals;
  }

  /** In order of their starts, the first ones of the job. */
  public List<Span> spans() {
    return List.copyOf(kept);
  }

  /** Spans that there was no room for. */
  public long dropped() {
    return dropped;
  }

  /** When the time line begins, on the clock of {@link System#nanoTime}. */
  public long startNanos() {
    return startNanos;
  }
}
