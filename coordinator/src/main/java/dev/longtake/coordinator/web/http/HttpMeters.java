package dev.longtake.coordinator.web.http;

import dev.longtake.common.metrics.Metric;
import io.micrometer.core.instrument.MeterRegistry;
import java.util.concurrent.atomic.AtomicInteger;

/** Counts what HTTP answers. Thread-safe. */
public final class HttpMeters {
  private final MeterRegistry registry;
  private final AtomicInteger requests = new AtomicInteger();
  private final AtomicInteger connections = new AtomicInteger();

  /** Registers the meters. */
  public HttpMeters(MeterRegistry registry) {
    this.registry = registry;
    Metric.HTTP_REQUESTS_OPEN.gauge(registry, requests::get);
    Metric.HTTP_CONNECTIONS.gauge(registry, connections::get);
  }

  /** A request that is being answered. */
  interface Open extends AutoCloseable {
    @Override
    void close();
  }

  Open open() {
    requests.incrementAndGet();
    return requests::decrementAndGet;
  }

  /**
   * @param pattern of the route; routes are few, paths are not
   */
  void answered(String pattern, int status) {
    Metric.HTTP_REQUESTS.counter(registry, pattern, Integer.toString(status)).increment();
  }

  void connected() {
    connections.incrementAndGet();
  }

  void disconnected() {
    connections.decrementAndGet();
  }
}
