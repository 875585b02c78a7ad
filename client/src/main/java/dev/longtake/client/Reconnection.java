package dev.longtake.client;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.time.Duration;

/**
 * When a broken stream is taken up again: a few times in a row, waiting twice as long each time, until something arrives.
 * Only a lost connection qualifies; what the server refused stays refused.
 */
final class Reconnection {
  private static final int ATTEMPTS = 5;
  private static final Duration FIRST_PAUSE = Duration.ofMillis(100);

  private final LongtakeClient client;
  private final long deadlineNanos;
  private int failures;

  Reconnection(LongtakeClient client, Duration timeout) {
    this.client = client;
    this.deadlineNanos = System.nanoTime() + timeout.toNanos();
  }

  /** What is left of the timeout for the next stream; at least one nanosecond, so that gRPC reports it as passed. */
  long remainingNanos() {
    return Math.max(1, deadlineNanos - System.nanoTime());
  }

  /** Something arrived: earlier failures no longer count. */
  void succeeded() {
    failures = 0;
  }

  /** Returns after a pause when the stream should be opened again; otherwise throws what the failure means. */
  void pauseOrThrow(StatusRuntimeException failure) {
    LongtakeClientException meaning = LongtakeClientException.of(failure, client.address());
    failures++;
    boolean isLostConnection =
        failure.getStatus().getCode() == Status.Code.UNAVAILABLE
            && meaning.reason().equals(LongtakeClientException.UNREACHABLE);
    if (!isLostConnection
        || failures >= ATTEMPTS
        || !client.pause(FIRST_PAUSE.multipliedBy(1L << (failures - 1)))) {
      throw meaning;
    }
  }
}
