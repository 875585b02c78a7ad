package dev.longtake.worker.exchange;

/**
 * How much of an exchange was waiting for peers that had not come to the same point: until the first bytes of the last one came, or
 * where nothing comes, from the moment all bytes were handed over until the last peer had taken them. Thread-safe.
 */
final class PeerWait {
  private final long startNanos;
  private boolean receives;
  private long forBytesNanos;
  private long forTakingNanos;

  /** An exchange begins. */
  PeerWait(long startNanos) {
    this.startNanos = startNanos;
  }

  /** A peer's first bytes came. */
  synchronized void forFirstBytes(long atNanos) {
    receives = true;
    forBytesNanos = Math.max(forBytesNanos, atNanos - startNanos);
  }

  /** A peer has just taken the last of what was handed over at {@code handedOverNanos}. */
  synchronized void forTaking(long handedOverNanos) {
    forTakingNanos = Math.max(forTakingNanos, System.nanoTime() - handedOverNanos);
  }

  synchronized long nanos() {
    return receives ? forBytesNanos : forTakingNanos;
  }
}
