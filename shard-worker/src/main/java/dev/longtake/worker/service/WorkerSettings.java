package dev.longtake.worker.service;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.tls.TlsIdentity;
import dev.longtake.worker.exchange.ExchangeSettings;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * Where a worker listens and how patient it is.
 *
 * @param host the interface to listen on
 * @param port 0 for any free one
 * @param advertisedHost what others call this worker by
 * @param id unique in the cluster; null for the advertised address
 * @param tls for every connection; null for plain text
 * @param callToken what callers must show; empty: nothing
 * @param exchangeTimeout for orders that don't say how long to wait for a peer
 * @param eventTimeout how long the coordinator may leave an event unread
 * @param maxOrders orders that may run at once; they take turns on the device
 */
public record WorkerSettings(
    String host,
    int port,
    String advertisedHost,
    @Nullable String id,
    @Nullable TlsIdentity tls,
    String callToken,
    ExchangeSettings exchange,
    Duration exchangeTimeout,
    Duration eventTimeout,
    int maxOrders) {
  /** Enough to keep a pipeline of some stages full. */
  public static final int DEFAULT_MAX_ORDERS = 4;

  public static final Duration DEFAULT_EXCHANGE_TIMEOUT = Duration.ofSeconds(60);
  public static final Duration DEFAULT_EVENT_TIMEOUT = Duration.ofSeconds(60);

  public WorkerSettings {
    if (port < 0 || port > 65535) {
      throw LongtakeException.invalidField(
          "port", "Expected a port of 0 (any free one) to 65535, but got " + port);
    }
    requirePositive("exchange timeout", exchangeTimeout);
    requirePositive("event timeout", eventTimeout);
    if (maxOrders < 1) {
      throw LongtakeException.invalidField(
          "max orders", "Expected at least 1 order at a time, but got " + maxOrders);
    }
  }

  private static void requirePositive(String name, Duration duration) {
    if (duration.isNegative() || duration.isZero()) {
      throw LongtakeException.invalidField(
          name, "Expected an %s above 0, but got %s".formatted(name, duration));
    }
  }

  /** Listens on {@code host} in plain text and is called by that name, with the default patience. */
  public static WorkerSettings at(String host, int port) {
    return new WorkerSettings(
        host,
        port,
        host,
        null,
        null,
        "",
        ExchangeSettings.defaults(),
        DEFAULT_EXCHANGE_TIMEOUT,
        DEFAULT_EVENT_TIMEOUT,
        DEFAULT_MAX_ORDERS);
  }
}
