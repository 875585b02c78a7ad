package dev.longtake.common.metrics;

import dev.longtake.common.error.LongtakeException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Where a server shows its meters, for picocli's {@code @Mixin}: nowhere unless a port is given. */
public final class MetricsOptions {
  private static final int MAX_PORT = 65_535;

  @Option(
      names = "--metrics-port",
      paramLabel = "PORT",
      description =
          "Serve metrics for Prometheus at http://HOST:PORT/metrics; 0: any free port (default:"
              + " none are served).")
  private @Nullable Integer port;

  @Option(
      names = "--metrics-host",
      paramLabel = "HOST",
      defaultValue = "127.0.0.1",
      description =
          "The interface for that, in plain HTTP whoever asks (default: ${DEFAULT-VALUE}).")
  private String host = "127.0.0.1";

  /**
   * What was asked for; the caller closes it.
   *
   * @throws LongtakeException INVALID_REQUEST, or PORT_IN_USE
   */
  public Telemetry open() {
    if (port == null) {
      return Telemetry.hidden();
    }
    if (port < 0 || port > MAX_PORT) {
      throw LongtakeException.invalidField(
          "--metrics-port",
          "Expected --metrics-port of 0 (any free one) to %d, but got %d"
              .formatted(MAX_PORT, port));
    }
    return Telemetry.shown(host, port);
  }
}
