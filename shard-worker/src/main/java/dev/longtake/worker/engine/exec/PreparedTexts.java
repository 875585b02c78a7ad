package dev.longtake.worker.engine.exec;

/**
 * Where a job's prepared texts come from: made for it alone, or shared with other jobs. Called by the thread that has the turn on
 * the device.
 */
@FunctionalInterface
public interface PreparedTexts {
  /** Each text is made for whoever asks, and freed after use. */
  PreparedTexts UNSHARED =
      (text, preparation) -> {
        PreparedText prepared = preparation.prepare(text);
        return new Lease(prepared, prepared::close);
      };

  /**
   * A prepared text to read.
   *
   * @param preparation makes it where it is not there
   * @return a text that begins with the tokens asked for; there may be more behind them
   * @throws dev.longtake.common.error.LongtakeException OUT_OF_MEMORY; TIMED_OUT where another job was to make it
   */
  Lease lease(TextRow text, TextPreparation preparation);

  /** The right to read a prepared text, which is there at least until the lease is closed. Closing twice has no effect. */
  final class Lease implements AutoCloseable {
    private final PreparedText text;
    private final Runnable end;
    private boolean isClosed;

    /**
     * For one thread.
     *
     * @param end what closing does, once
     */
    public Lease(PreparedText text, Runnable end) {
      this.text = text;
      this.end = end;
    }

    /** Not to be used after the lease is closed. */
    public PreparedText text() {
      return text;
    }

    @Override
    public void close() {
      if (!isClosed) {
        isClosed = true;
        end.run();
      }
    }
  }
}
