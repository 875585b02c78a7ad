package dev.longtake.worker.engine;

import dev.longtake.worker.engine.trace.LaneTrace;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** A lane's exchange: while it lasts others may compute, and the lane's trace says what the time went into. */
public final class LaneExchange implements Exchange {
  private final Exchange exchange;
  private final ComputeTurn turn;
  private final LaneTrace trace;

  /**
   * A lane whose thread has the turn whenever it calls.
   *
   * @param trace in an operation
   */
  public LaneExchange(Exchange exchange, ComputeTurn turn, LaneTrace trace) {
    this.exchange = exchange;
    this.turn = turn;
    this.trace = trace;
  }

  @Override
  public int rank() {
    return exchange.rank();
  }

  @Override
  public int ranks() {
    return exchange.ranks();
  }

  @Override
  public ExchangePoint begin(
      @Nullable MemorySegment[] outgoing, @Nullable MemorySegment[] incoming, String what) {
    return new Point(exchange.begin(outgoing, incoming, what));
  }

  private final class Point implements ExchangePoint {
    private final ExchangePoint point;

    Point(ExchangePoint point) {
      this.point = point;
    }

    @Override
    public void ready(int peer, long bytes) {
      point.ready(peer, bytes);
    }

    @Override
    public long await() {
      trace.pause();
      turn.give();
      long waitedNanos;
      try {
        waitedNanos = point.await();
        trace.exchanged(waitedNanos);
      } finally {
        turn.take();
      }
      trace.resume();
      return waitedNanos;
    }

    @Override
    public void close() {
      point.close();
    }
  }
}
