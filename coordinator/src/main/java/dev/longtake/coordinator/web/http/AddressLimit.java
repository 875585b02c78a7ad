package dev.longtake.coordinator.web.http;

import io.grpc.Status;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;

/** How many requests each client's address has at the same time. Thread-safe. */
final class AddressLimit {
  private final int limit;
  private final ConcurrentMap<String, Integer> open = new ConcurrentHashMap<>();

  AddressLimit(int limit) {
    this.limit = limit;
  }

  /** Gives the place back. */
  interface Turn extends AutoCloseable {
    @Override
    void close();
  }

  /**
   * Takes a place.
   *
   * @throws ApiException when the address has as many as it may
   */
  Turn enter(String address) {
    int now = open.merge(address, 1, Integer::sum);
    if (now > limit) {
      leave(address);
      throw new ApiException(
          429,
          Status.Code.RESOURCE_EXHAUSTED,
          "TOO_MANY_REQUESTS",
          "Expected at most %d requests of one address at the same time, but %s has more; close streams that nobody reads, or start the coordinator with a larger --http-requests-per-address"
              .formatted(limit, address));
    }
    return () -> leave(address);
  }

  private void leave(String address) {
    open.computeIfPresent(address, (_, count) -> count == 1 ? null : count - 1);
  }
}
