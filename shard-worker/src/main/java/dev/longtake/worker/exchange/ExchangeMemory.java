package dev.longtake.worker.exchange;

import java.util.concurrent.atomic.AtomicLong;

/**
 * Payload bytes that the exchanges of an order hold beside the memory of their callers: chunks that were sent, in gRPC's buffers or in
 * shared memory, until the peer has consumed them, and chunks that came in messages until they are in their place. Credits bound both:
 * to each peer, and from it, a window of chunks a lane. Thread-safe.
 */
final class ExchangeMemory {
  private final AtomicLong held = new AtomicLong();
  private final AtomicLong peak = new AtomicLong();

  void hold(long bytes) {
    long now = held.addAndGet(bytes);
    peak.accumulateAndGet(now, Math::max);
  }

  void release(long bytes) {
    held.addAndGet(-bytes);
  }

  long heldBytes() {
    return held.get();
  }

  /** The most that was held at once. */
  long peakBytes() {
    return peak.get();
  }
}
