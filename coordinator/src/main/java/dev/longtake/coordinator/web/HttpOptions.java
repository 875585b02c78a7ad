package dev.longtake.coordinator.web;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.coordinator.web.http.HttpLimits;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Where a coordinator serves HTTP, for picocli's {@code @Mixin}: nowhere unless a port is given. */
public final class HttpOptions {
  @Option(
      names = "--http-port",
      paramLabel = "PORT",
      description =
          "Serve JSON, OpenAI's /v1/videos and a page over HTTP (HTTPS with --tls-cert) at this"
              + " port, 0: any free one (default: none of it).")
  private @Nullable Integer port;

  @Option(
      names = "--http-host",
      paramLabel = "HOST",
      description = "The interface for that (default: --host).")
  private @Nullable String host;

  @Option(
      names = "--http-requests-per-address",
      paramLabel = "N",
      defaultValue = "" + HttpLimits.DEFAULT_REQUESTS_PER_ADDRESS,
      description =
          "Requests of one client's address that are answered at the same time, streams included;"
              + " more where clients come through a proxy (default: ${DEFAULT-VALUE}).")
  private int requestsPerAddress = HttpLimits.DEFAULT_REQUESTS_PER_ADDRESS;

  /**
   * What was asked for; null for nothing.
   *
   * @param hostOfCalls of the gRPC port
   * @throws LongtakeException INVALID_REQUEST
   */
  public @Nullable HttpConfig config(String hostOfCalls) {
    return port == null
        ? null
        : new HttpConfig(
            host == null ? hostOfCalls : host, port, HttpLimits.of(requestsPerAddress));
  }
}
