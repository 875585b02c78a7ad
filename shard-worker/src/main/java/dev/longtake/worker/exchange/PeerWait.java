package dev.longtake.worker.exchange;

/**
 * How much of the time that an exchange was waited for was waiting for peers that had not come to the same point: until the first bytes
 * of the last one came, or where nothing comes, from the moment all bytes were handed over until the last peer had taken them.
 * Thread-safe.
 */
final class PeerWait {
  private boolean receives;
  private long startNanos;
  private long lastFirstBytesNanos;
  private long forTakingNanos;

  /** From now on the exchange is waited for. */
  synchronized void begin() {
    startNanos = System.nanoTime();
  }

  /** A peer's first bytes came. */
  synchronized void forFirstBytes(long atNanos) {
    lastFirstBytesNanos = receives ? Math.max(lastFirstBytesNanos, atNanos) : atNanos;
    receives = true;
  }

  /** A peer has just taken the last of what was handed over at {@code handedOverNanos}. */
  synchronized void forTaking(long handedOverNanos) {
    forTakingNanos = Math.max(forTakingNanos, System.nanoTime() - handedOverNanos);
  }

  synchronized long nanos() {
    return receives ? Math.max(0, lastFirstBytesNanos - startNanos) : forTakingNanos;
  }
}
