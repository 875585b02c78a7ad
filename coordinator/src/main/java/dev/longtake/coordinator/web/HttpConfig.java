package dev.longtake.coordinator.web;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.coordinator.web.http.HttpLimits;

/**
 * Where a coordinator serves HTTP.
 *
 * @param host the interface to listen on
 * @param port 0 for any free one
 */
public record HttpConfig(String host, int port, HttpLimits limits) {
  private static final int MAX_PORT = 65_535;

  public HttpConfig {
    if (port < 0 || port > MAX_PORT) {
      throw LongtakeException.invalidField(
          "--http-port",
          "Expected --http-port of 0 (any free one) to %d, but got %d".formatted(MAX_PORT, port));
    }
  }
}
