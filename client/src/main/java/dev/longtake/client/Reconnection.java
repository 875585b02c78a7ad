package dev.longtake.client;

import io.grpc.Channel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.time.Duration;

/**
 * When a broken call is made again: with pauses that grow to two seconds, until something arrives or nothing has for the client's patience:
 * long for a coordinator that answered before, since it may be started again, short for one that never did, since the address may be wrong. Only a lost connection qualifies, and a coordinator that does not lead; what the server refused
 * otherwise stays refused. Where there are several coordinators, the next call goes to the next of them.
 */
final class Reconnection {
  private static final Duration FIRST_PAUSE = Duration.ofMillis(100);
  private static final Duration MAX_PAUSE = Duration.ofSeconds(2);

  private final LongtakeClient client;
  private final long deadlineNanos;
  private Duration pause = FIRST_PAUSE;
  private long failingSinceNanos;
  private boolean failing;
  private int used;

  /**
   * @param timeout for all of it
   */
  Reconnection(LongtakeClient client, Duration timeout) {
    this.client = client;
    this.deadlineNanos = System.nanoTime() + timeout.toNanos();
  }

  /** For the next call. */
  Channel channel() {
    used = client.coordinators().current();
    return client.coordinators().channel(used);
  }

  /** What is left of the timeout for the next stream; at least one nanosecond, so that gRPC reports it as passed. */
  long remainingNanos() {
    return Math.max(1, deadlineNanos - System.nanoTime());
  }

  /** Something arrived: earlier failures no longer count. */
  void succeeded() {
    client.reached();
    failing = false;
    pause = FIRST_PAUSE;
  }

  /** Returns after a pause when the call should be made again; otherwise throws what the failure means. */
  void pauseOrThrow(StatusRuntimeException failure) {
    LongtakeClientException meaning = LongtakeClientException.of(failure, client.address());
    if (!failing) {
      failing = true;
      failingSinceNanos = System.nanoTime();
    }
    boolean isLostConnection =
        failure.getStatus().getCode() == Status.Code.UNAVAILABLE
            && meaning.reason().equals(LongtakeClientException.UNREACHABLE);
    boolean isNotLeader = meaning.reason().equals(LongtakeClientException.NOT_LEADER);
    if (isNotLeader && client.coordinators().areSeveral()) {
      // One of the others leads, or soon will.
      client.reached();
    }
    boolean isPatient =
        System.nanoTime() - failingSinceNanos + pause.toNanos() <= client.patience().toNanos();
    if (!(isLostConnection || isNotLeader) || !isPatient || !client.pause(pause)) {
      throw meaning;
    }
    client.coordinators().leave(used);
    pause = pause.multipliedBy(2).compareTo(MAX_PAUSE) < 0 ? pause.multipliedBy(2) : MAX_PAUSE;
  }
}
