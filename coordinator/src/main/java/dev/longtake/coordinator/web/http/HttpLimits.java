package dev.longtake.coordinator.web.http;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.rpc.Endpoints;
import java.time.Duration;

/**
 * What one client may take of the HTTP side.
 *
 * @param bodyBytes of a request, at most
 * @param headerBytes of a request's line and headers, at most
 * @param connections of all clients
 * @param requestsPerAddress that are answered at the same time, streams included
 * @param headTime from opening a connection, or from the end of its last answer, to the next request's headers
 * @param idleTime that a body may stand still, in either direction
 * @param keepAlive the pause after which a stream of events says that it lives
 */
public record HttpLimits(
    int bodyBytes,
    int headerBytes,
    int connections,
    int requestsPerAddress,
    Duration headTime,
    Duration idleTime,
    Duration keepAlive) {
  /** For those who watch many jobs from one host. */
  public static final int DEFAULT_REQUESTS_PER_ADDRESS = 256;

  private static final int MAX_REQUESTS_PER_ADDRESS = 100_000;

  public HttpLimits {
    if (requestsPerAddress < 1 || requestsPerAddress > MAX_REQUESTS_PER_ADDRESS) {
      throw LongtakeException.invalidField(
          "--http-requests-per-address",
          "Expected --http-requests-per-address of 1 to %d, but got %d"
              .formatted(MAX_REQUESTS_PER_ADDRESS, requestsPerAddress));
    }
  }

  /**
   * The limits of every coordinator but for one.
   *
   * @throws LongtakeException INVALID_REQUEST when that is out of range
   */
  public static HttpLimits of(int requestsPerAddress) {
    return new HttpLimits(
        Endpoints.MAX_MESSAGE_BYTES,
        16 << 10,
        2048,
        requestsPerAddress,
        Duration.ofSeconds(30),
        Duration.ofSeconds(30),
        Duration.ofSeconds(15));
  }
}
