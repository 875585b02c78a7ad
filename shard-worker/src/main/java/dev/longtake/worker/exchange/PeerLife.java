package dev.longtake.worker.exchange;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.rpc.GrpcErrors;
import dev.longtake.common.tls.TlsFailures;
import java.time.Duration;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Whether a peer can still be waited for, and why not. A stream that ends is no failure in itself, since the peer may have finished its
 * job: it becomes one when something is still needed from it ({@link #patienceNanos}). The exchange's lock is held by every caller.
 */
final class PeerLife {
  /**
   * When only the incoming stream broke, the outgoing one soon tells the reason: a peer that gives up sends it there, a
   * dead one takes both with it.
   */
  private static final long REASON_WAIT_NANOS = Duration.ofSeconds(1).toNanos();

  /** What a connection may take on top of a sign of life: a handshake, on a host with more to do than processors. */
  private static final long CONNECT_NANOS = Duration.ofSeconds(2).toNanos();

  private final JobRank self;
  private final String peer;
  private final long timeoutNanos;
  private final long peerTimeoutNanos;

  private boolean incomingEnded;
  private boolean incomingBroken;
  private long incomingEndedNanos;
  private boolean outgoingEnded;
  private @Nullable Throwable outgoingError;
  private @Nullable LongtakeException violation;

  // Of what it did, and of any sign of life, which a peer shows that waits for others itself.
  private long heardNanos = System.nanoTime();
  private long aliveNanos = System.nanoTime();
  private boolean isConnected;
  private boolean isSilent;
  private long silentNanos;

  /**
   * Nothing was heard yet.
   *
   * @param peer for errors
   * @param timeoutNanos how long it may do nothing
   * @param peerTimeoutNanos how long it may show no sign of life
   */
  PeerLife(JobRank self, String peer, long timeoutNanos, long peerTimeoutNanos) {
    this.self = self;
    this.peer = peer;
    this.timeoutNanos = timeoutNanos;
    this.peerTimeoutNanos = peerTimeoutNanos;
  }

  /** A chunk, credits or the end of a stream came. */
  void did(long atNanos) {
    heardNanos = atNanos;
    aliveNanos = atNanos;
  }

  /** A credit came, be it of 0 chunks. */
  void showedSign(long atNanos) {
    aliveNanos = atNanos;
    isConnected = true;
  }

  void violated(LongtakeException failure) {
    violation =
        new LongtakeException(
            failure.code(), "%s (%s): %s".formatted(peer, self, failure.getMessage()), failure);
  }

  /** Nothing more comes; not in order when a connection broke. */
  void incomingEnded(boolean inOrder) {
    incomingEnded = true;
    incomingEndedNanos = System.nanoTime();
    incomingBroken |= !inOrder;
  }

  /** It takes nothing more; null when it said so in order. */
  void outgoingEnded(@Nullable Throwable error) {
    outgoingEnded = true;
    if (outgoingError == null) {
      outgoingError = error;
    }
  }

  /** Whether something may be sent to it. */
  boolean canTake() {
    return !outgoingEnded && !incomingBroken;
  }

  /**
   * How much longer the peer may be waited for.
   *
   * @param chunks true when waiting for chunks of the peer, false when waiting for its credits
   * @param sinceNanos when the waiting began
   * @param awaited what is awaited, ending in a preposition: {@code "the rest of 4096 bytes from"}; only asked for
   *     when that is over, since every wait comes through here
   * @throws LongtakeException PEER_LOST when it cannot come any more or the peer was silent for too long; what the peer
   *     said where it gave a CHECKSUM_MISMATCH or STALE_ATTEMPT
   */
  long patienceNanos(boolean chunks, long sinceNanos, Supplier<String> awaited, String what) {
    long nowNanos = System.nanoTime();
    if (violation != null) {
      throw violation;
    }
    if (outgoingError != null) {
      throw gone(awaited.get(), what, outgoingError);
    }
    if (incomingBroken || (chunks ? incomingEnded : outgoingEnded)) {
      long leftNanos = incomingEndedNanos + REASON_WAIT_NANOS - nowNanos;
      if (outgoingEnded || leftNanos <= 0) {
        throw lost(
            awaited.get(),
            what,
            incomingBroken
                ? "its connection broke: it died, froze or was cut off"
                : "it has left the job",
            null);
      }
      return leftNanos;
    }
    long lifeLeftNanos = lifeNanos(nowNanos, awaited, what);
    long fromNanos = heardNanos - sinceNanos > 0 ? heardNanos : sinceNanos;
    long leftNanos = fromNanos + timeoutNanos - nowNanos;
    if (leftNanos <= 0) {
      throw lost(
          awaited.get(),
          what,
          "nothing came from it for %s s; it is frozen, overloaded or cut off"
              .formatted(Duration.ofNanos(timeoutNanos).toMillis() / 1000.0),
          null);
    }
    return Math.min(leftNanos, lifeLeftNanos);
  }

  /**
   * How much longer a sign of life may be waited for; a peer shows them even when it has no order yet. The last fifth of the time begins when the silence is noticed: if it was this
   * process that stood still, what came meanwhile is now read.
   */
  private long lifeNanos(long nowNanos, Supplier<String> awaited, String what) {
    long connectNanos = isConnected ? 0 : CONNECT_NANOS;
    long leftNanos = aliveNanos + connectNanos + peerTimeoutNanos - peerTimeoutNanos / 5 - nowNanos;
    if (leftNanos > 0) {
      isSilent = false;
      return leftNanos;
    }
    if (!isSilent) {
      isSilent = true;
      silentNanos = nowNanos;
    }
    leftNanos = silentNanos + peerTimeoutNanos / 5 - nowNanos;
    if (leftNanos <= 0) {
      throw lost(
          awaited.get(),
          what,
          "it has shown no sign of life for %s s: its process is frozen or its host is cut off"
              .formatted(Duration.ofNanos(peerTimeoutNanos + connectNanos).toMillis() / 1000.0),
          null);
    }
    return leftNanos;
  }

  private LongtakeException gone(String awaited, String what, Throwable error) {
    LongtakeException said = GrpcErrors.fromStatus(error, peer);
    return switch (said.code()) {
      case CHECKSUM_MISMATCH, STALE_ATTEMPT ->
          new LongtakeException(said.code(), peer + " refused: " + said.getMessage(), error);
      case UNREACHABLE -> lost(awaited, what, "it is not reachable: " + reason(error), error);
      default -> lost(awaited, what, "it gave up: " + said.getMessage(), error);
    };
  }

  private static String reason(Throwable error) {
    return TlsFailures.reason(error).orElseGet(() -> rootMessage(error));
  }

  /** gRPC's own description is often only "io exception"; the cause says which. */
  private static String rootMessage(Throwable error) {
    Throwable root = error;
    while (root.getCause() != null) {
      root = root.getCause();
    }
    return String.valueOf(root.getMessage()).lines().findFirst().orElse("");
  }

  private LongtakeException lost(
      String awaited, String what, String why, @Nullable Throwable cause) {
    return new LongtakeException(
        ErrorCode.PEER_LOST,
        "Expected %s %s (%s, %s), but %s".formatted(awaited, peer, self, what, why),
        cause);
  }
}
