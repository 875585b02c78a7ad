package dev.longtake.worker.exchange;

import dev.longtake.common.metrics.BoundedLabel;
import dev.longtake.common.metrics.Metric;
import io.micrometer.core.instrument.MeterRegistry;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** The meters of a worker's exchange. Thread-safe. */
final class ExchangeMeters {
  /** Workers that have series of their own; the rest shares one. */
  private static final int MAX_PEERS = 256;

  private final MeterRegistry registry;
  private final BoundedLabel peers = new BoundedLabel(MAX_PEERS);
  private final Map<String, LinkMeters> links = new ConcurrentHashMap<>();

  ExchangeMeters(MeterRegistry registry, ExchangeHub hub) {
    this.registry = registry;
    Metric.EXCHANGE_DROPPED_CHUNKS.counter(registry, hub::droppedChunks);
    Metric.EXCHANGE_CHECKSUM_FAILURES.counter(registry);
    Metric.EXCHANGE_MEMORY_BYTES.gauge(registry, hub::heldBytes);
    Metric.EXCHANGE_MEMORY_LIMIT_BYTES.gauge(registry, hub::heldLimitBytes);
  }

  /** @param peer a worker's id */
  LinkMeters link(String peer) {
    return links.computeIfAbsent(peers.of(peer), name -> new LinkMeters(registry, name));
  }
}
