package dev.longtake.worker.cache;

import dev.longtake.v1.TextWork;
import dev.longtake.worker.engine.ComputeTurn;
import dev.longtake.worker.engine.exec.PreparedTexts;
import dev.longtake.worker.engine.exec.TextPreparation;
import dev.longtake.worker.engine.exec.TextRow;

/** The texts of one order, and the count of what was done for them. Used by the order's lanes, each of which has the turn. */
public final class OrderTexts implements PreparedTexts {
  private final ConditionCache cache;
  private final ComputeTurn turn;
  private final TextCounts counts = new TextCounts();

  OrderTexts(ConditionCache cache, ComputeTurn turn) {
    this.cache = cache;
    this.turn = turn;
  }

  @Override
  public Lease lease(TextRow text, TextPreparation preparation) {
    long start = System.nanoTime();
    try {
      return cache.lease(text, preparation, turn, counts);
    } finally {
      counts.spent(System.nanoTime() - start);
    }
  }

  /** What was done so far. */
  public TextWork work() {
    return counts.message();
  }
}
