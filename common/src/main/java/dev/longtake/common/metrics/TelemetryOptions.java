package dev.longtake.common.metrics;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.tracing.Tracing;
import java.net.URI;
import java.net.URISyntaxException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Where a server shows its meters and sends its spans, for picocli's {@code @Mixin}: nowhere unless it is told. */
public final class TelemetryOptions {
  private static final int MAX_PORT = 65_535;

  /** Where a collector takes spans, below its address; see the OpenTelemetry protocol's specification. */
  private static final String TRACES_PATH = "/v1/traces";

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

  @Option(
      names = "--otlp-endpoint",
      paramLabel = "URL",
      description =
          "Send a trace of each job to an OpenTelemetry collector by HTTP, such as"
              + " http://127.0.0.1:4318 (default: none are sent).")
  private @Nullable String otlpEndpoint;

  /**
   * What was asked for; the caller closes it.
   *
   * @param service as traces call this process, for example {@code longtake-worker}
   * @throws LongtakeException INVALID_REQUEST, or PORT_IN_USE
   */
  public Telemetry open(String service) {
    if (port != null && (port < 0 || port > MAX_PORT)) {
      throw LongtakeException.invalidField(
          "--metrics-port",
          "Expected --metrics-port of 0 (any free one) to %d, but got %d"
              .formatted(MAX_PORT, port));
    }
    Tracing tracing =
        otlpEndpoint == null ? Tracing.off() : Tracing.exporting(traces(otlpEndpoint), service);
    try {
      return port == null ? Telemetry.hidden(tracing) : Telemetry.shown(host, port, tracing);
    } catch (LongtakeException e) {
      tracing.close();
      throw e;
    }
  }

  private static URI traces(String endpoint) {
    try {
      URI given = new URI(endpoint);
      boolean isHttp = "http".equals(given.getScheme()) || "https".equals(given.getScheme());
      if (isHttp && given.getHost() != null && given.getQuery() == null) {
        String path = given.getPath().replaceFirst("/$", "");
        return path.endsWith(TRACES_PATH) ? given : given.resolve(path + TRACES_PATH);
      }
    } catch (URISyntaxException e) {
      // Refused below, like other things that are no address of a collector.
    }
    throw LongtakeException.invalidField(
        "--otlp-endpoint",
        "Expected --otlp-endpoint to be the address of a collector, such as http://127.0.0.1:4318, but got '%s'"
            .formatted(endpoint));
  }
}
