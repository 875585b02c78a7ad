package dev.longtake.worker.exchange;

import dev.longtake.common.metrics.Metric;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;

/** What goes between this worker and another one, all jobs and lanes together. Thread-safe; nothing here waits. */
final class LinkMeters {
  private static final double NANOS = 1e9;

  private final Counter sentBytes;
  private final Counter sentChunks;
  private final Counter receivedBytes;
  private final Counter receivedChunks;
  private final Counter receiveSeconds;
  private final Counter timedBytes;
  private final Counter stallSeconds;
  private final Counter checksumFailures;

  /** @param peer the other worker's id */
  LinkMeters(MeterRegistry registry, String peer) {
    sentBytes = Metric.LINK_SENT_BYTES.counter(registry, peer);
    sentChunks = Metric.LINK_SENT_CHUNKS.counter(registry, peer);
    receivedBytes = Metric.LINK_RECEIVED_BYTES.counter(registry, peer);
    receivedChunks = Metric.LINK_RECEIVED_CHUNKS.counter(registry, peer);
    receiveSeconds = Metric.LINK_RECEIVE_SECONDS.counter(registry, peer);
    timedBytes = Metric.LINK_RECEIVE_TIMED_BYTES.counter(registry, peer);
    stallSeconds = Metric.LINK_STALL_SECONDS.counter(registry, peer);
    checksumFailures = Metric.EXCHANGE_CHECKSUM_FAILURES.counter(registry);
  }

  void sent(long bytes) {
    sentBytes.increment((double) bytes);
    sentChunks.increment();
  }

  void received(long bytes) {
    receivedBytes.increment((double) bytes);
    receivedChunks.increment();
  }

  /** So many bytes came so long after those before them, at the same exchange point. */
  void receivedIn(long nanos, long bytes) {
    receiveSeconds.increment(nanos / NANOS);
    timedBytes.increment((double) bytes);
  }

  /** A chunk that was ready has waited for a credit. */
  void stalled(long nanos) {
    stallSeconds.increment(nanos / NANOS);
  }

  void checksumFailed() {
    checksumFailures.increment();
  }
}
