package dev.longtake.common.metrics;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.process.Build;
import dev.longtake.common.tracing.Tracing;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.binder.MeterBinder;
import io.micrometer.core.instrument.binder.jvm.JvmGcMetrics;
import io.micrometer.core.instrument.binder.jvm.JvmMemoryMetrics;
import io.micrometer.core.instrument.binder.jvm.JvmThreadMetrics;
import io.micrometer.core.instrument.binder.system.FileDescriptorMetrics;
import io.micrometer.core.instrument.binder.system.ProcessorMetrics;
import io.micrometer.core.instrument.binder.system.UptimeMetrics;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The meters of a process, with those of the JVM and the process itself, and its spans; where it was asked for, the HTTP endpoint that shows
 * the former, and a collector that gets the latter. Thread-safe.
 */
public final class Telemetry implements AutoCloseable {
  private final MeterRegistry registry;
  private final @Nullable MetricsEndpoint endpoint;
  private final String host;
  private final Tracing tracing;
  private final JvmGcMetrics collector = new JvmGcMetrics();

  private Telemetry(
      MeterRegistry registry, @Nullable MetricsEndpoint endpoint, String host, Tracing tracing) {
    this.registry = registry;
    this.endpoint = endpoint;
    this.host = host;
    this.tracing = tracing;
  }

  /** Counts, and shows nothing. */
  public static Telemetry hidden() {
    return hidden(Tracing.off());
  }

  /**
   * Counts, and shows no meters.
   *
   * @param tracing closed with this
   */
  public static Telemetry hidden(Tracing tracing) {
    return new Telemetry(new SimpleMeterRegistry(), null, "", tracing);
  }

  /**
   * Counts, and serves {@code /metrics}.
   *
   * @param host the interface to listen on
   * @param port 0 for any free one
   * @param tracing closed with this
   * @throws LongtakeException PORT_IN_USE when it can't be had
   */
  public static Telemetry shown(String host, int port, Tracing tracing) {
    PrometheusMeterRegistry registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
    MetricsEndpoint endpoint = MetricsEndpoint.start(host, port, registry.getPrometheusRegistry());
    Telemetry telemetry = new Telemetry(registry, endpoint, host, tracing);
    telemetry.bindProcess();
    return telemetry;
  }

  private void bindProcess() {
    Metric.BUILD_INFO.gauge(registry, () -> 1, Build.version());
    List<MeterBinder> binders =
        List.of(
            new JvmMemoryMetrics(),
            new JvmThreadMetrics(),
            new ProcessorMetrics(),
            new UptimeMetrics(),
            new FileDescriptorMetrics(),
            collector);
    binders.forEach(binder -> binder.bindTo(registry));
  }

  /** Where meters are made; see {@link Metric}. */
  public MeterRegistry registry() {
    return registry;
  }

  /** Where observations are made. */
  public Tracing tracing() {
    return tracing;
  }

  /**
   * Where others find the endpoint, {@code host:port}; empty without one.
   *
   * @param name of this host, for an endpoint on all interfaces
   */
  public String address(String name) {
    if (endpoint == null) {
      return "";
    }
    String called = MetricsEndpoint.isWildcard(host) ? name : host;
    return (called.contains(":") ? "[" + called + "]" : called) + ":" + endpoint.port();
  }

  /** Calls this before each scrape; no effect without an endpoint. */
  public void beforeScrape(Runnable refresher) {
    if (endpoint != null) {
      endpoint.beforeScrape(refresher);
    }
  }

  /** Serves a page below {@code /metrics}; no effect without an endpoint. */
  public void page(String path, String contentType, Supplier<String> content) {
    if (endpoint != null) {
      endpoint.page(path, contentType, content);
    }
  }

  @Override
  public void close() {
    if (endpoint != null) {
      endpoint.close();
    }
    collector.close();
    registry.close();
    tracing.close();
  }
}
