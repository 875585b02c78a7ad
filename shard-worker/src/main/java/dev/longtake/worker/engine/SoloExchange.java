package dev.longtake.worker.engine;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** The exchange of a worker that runs a job alone. */
final class SoloExchange implements Exchange {
  static final SoloExchange INSTANCE = new SoloExchange();

  private SoloExchange() {}

  @Override
  public int rank() {
    return 0;
  }

  @Override
  public int ranks() {
    return 1;
  }

  @Override
  public ExchangePoint begin(
      @Nullable MemorySegment[] outgoing, @Nullable MemorySegment[] incoming, String what) {
    if (outgoing.length != 1 || incoming.length != 1) {
      throw new IllegalArgumentException(
          "Expected one rank, but got " + outgoing.length + " at " + what);
    }
    return NothingToDo.INSTANCE;
  }

  /** An exchange with nobody. */
  private enum NothingToDo implements ExchangePoint {
    INSTANCE;

    @Override
    public void ready(int peer, long bytes) {}

    @Override
    public long await() {
      return 0;
    }

    @Override
    public void close() {}
  }
}
