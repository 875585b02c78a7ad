package dev.longtake.worker.engine.trace;

import java.util.List;

/** Hears of each step of a rank, by the thread that runs its loop; it must not block. */
@FunctionalInterface
public interface StepObserver {
  /**
   * A step has ended.
   *
   * @param spans of all lanes, in no order
   * @param step how its time is divided
   */
  void stepEnded(List<Span> spans, RankTrace.Totals step);
}
