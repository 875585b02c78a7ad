package dev.longtake.worker.exchange;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.rpc.GrpcErrors;
import dev.longtake.v1.ExchangeChunk;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * What a rank knows of one peer: chunks that arrived, credits for sending, and whether the streams still live. A stream
 * that ends is no failure in itself, since the peer may have finished its job: it becomes one when something is still
 * needed from it ({@link #patienceNanos}).
 *
 * <p>All state is guarded by the session's lock; every change signals its condition. Methods called "held" want the
 * caller to hold the lock.
 */
final class Peer implements OutgoingStream.Listener, IncomingStream.Listener {
  /**
   * When only the incoming stream broke, the outgoing one soon tells the reason: a peer that gives up sends it there, a
   * dead one takes both with it.
   */
  private static final long REASON_WAIT_NANOS = Duration.ofSeconds(1).toNanos();

  private final JobRank self;
  private final int rank;
  private final String address;
  private final long timeoutNanos;
  private final ReentrantLock lock;
  private final Condition changed;
  private final OutgoingStream outgoing;

  private final ArrayDeque<ExchangeChunk> inbox = new ArrayDeque<>();
  private @Nullable IncomingStream incoming;
  private boolean incomingEnded;
  private long incomingEndedNanos;
  private @Nullable LongtakeException violation;

  // The first grant is the window; afterwards each consumed chunk gives one credit back. So all
  // that was sent has been
  // consumed exactly when the credits are the window again.
  private boolean windowKnown;
  private long windowChunks;
  private long creditChunks;
  private boolean outgoingEnded;
  private @Nullable Throwable outgoingError;

  private long heardNanos = System.nanoTime();

  // When the chunks in the inbox came, in the same order.
  private final ArrayDeque<Long> arrivals = new ArrayDeque<>();
  private long takenArrivalNanos;

  // Only used by the thread that exchanges, or by the sender that it started.
  private long sendPoint;
  private long receivePoint;
  private final LongAdder sentBytes = new LongAdder();

  Peer(JobRank self, int rank, long timeoutNanos, ReentrantLock lock, Condition changed) {
    this.self = self;
    this.rank = rank;
    this.address = self.gang().get(rank);
    this.timeoutNanos = timeoutNanos;
    this.lock = lock;
    this.changed = changed;
    this.outgoing = new OutgoingStream(address, this);
  }

  int rank() {
    return rank;
  }

  OutgoingStream outgoing() {
    return outgoing;
  }

  @Override
  public String toString() {
    return "rank %d at %s".formatted(rank, address);
  }

  /** Held. False when this peer already had a stream. */
  boolean setIncoming(IncomingStream stream) {
    if (incoming != null) {
      return false;
    }
    incoming = stream;
    return true;
  }

  @Nullable IncomingStream incoming() {
    lock.lock();
    try {
      return incoming;
    } finally {
      lock.unlock();
    }
  }

  /** Held. The next chunk in order, null when none waits. */
  @Nullable ExchangeChunk pollChunk() {
    ExchangeChunk chunk = inbox.poll();
    if (chunk != null) {
      takenArrivalNanos = arrivals.remove();
    }
    return chunk;
  }

  /** When the chunk arrived that was polled last. */
  long polledArrivalNanos() {
    return takenArrivalNanos;
  }

  /** Counts what is sent to this peer. */
  long nextSendPoint() {
    return sendPoint++;
  }

  /** Counts what is received from this peer. */
  long nextReceivePoint() {
    return receivePoint++;
  }

  void addSentBytes(long bytes) {
    sentBytes.add(bytes);
  }

  /** Payload bytes sent so far; any thread. */
  long sentBytes() {
    return sentBytes.sum();
  }

  /** Held. Chunks that arrived and were not consumed. */
  int queuedChunks() {
    return inbox.size();
  }

  /** Held. Uses up one credit, if there is one. */
  boolean takeCredit() {
    if (creditChunks == 0) {
      return false;
    }
    creditChunks--;
    return true;
  }

  /** Held. Whether the peer has consumed every chunk that was sent to it. */
  boolean acknowledgedAll() {
    return windowKnown && creditChunks == windowChunks;
  }

  /** A chunk was consumed; the peer may send another. */
  void consumed() {
    IncomingStream stream = incoming();
    if (stream != null) {
      stream.consumed();
    }
  }

  /** Ends both streams in order. */
  void complete() {
    outgoing.complete();
    IncomingStream stream = incoming();
    if (stream != null) {
      stream.complete();
    }
  }

  /** Ends both streams at once and tells the peer why. */
  void abort(LongtakeException reason) {
    // The reason first: it can only be told where this rank is the server.
    IncomingStream stream = incoming();
    if (stream != null) {
      stream.refuse(reason);
    }
    outgoing.cancel(reason.getMessage());
  }

  /**
   * Held. How much longer the peer may be waited for; chunks in the inbox are to be taken first.
   *
   * @param chunks true when waiting for chunks of the peer, false when waiting for its credits
   * @param sinceNanos when the waiting began
   * @param awaited what is awaited, ending in a preposition: {@code "the rest of 4096 bytes from"}
   * @throws LongtakeException PEER_LOST when it cannot come any more or the peer was silent for too long; what the peer
   *     said where it gave a CHECKSUM_MISMATCH or STALE_ATTEMPT
   */
  long patienceNanos(boolean chunks, long sinceNanos, String awaited, String what) {
    long nowNanos = System.nanoTime();
    if (violation != null) {
      throw violation;
    }
    if (outgoingError != null) {
      throw gone(awaited, what, outgoingError);
    }
    if (chunks ? incomingEnded : outgoingEnded) {
      long leftNanos = incomingEndedNanos + REASON_WAIT_NANOS - nowNanos;
      if (outgoingEnded || leftNanos <= 0) {
        throw lost(awaited, what, "it has left the job", null);
      }
      return leftNanos;
    }
    long fromNanos = heardNanos - sinceNanos > 0 ? heardNanos : sinceNanos;
    long leftNanos = fromNanos + timeoutNanos - nowNanos;
    if (leftNanos <= 0) {
      throw lost(
          awaited,
          what,
          "nothing came from it for %s s; it is frozen, overloaded or cut off"
              .formatted(Duration.ofNanos(timeoutNanos).toMillis() / 1000.0),
          null);
    }
    return leftNanos;
  }

  private LongtakeException gone(String awaited, String what, Throwable error) {
    LongtakeException said = GrpcErrors.fromStatus(error, toString());
    return switch (said.code()) {
      case CHECKSUM_MISMATCH, STALE_ATTEMPT ->
          new LongtakeException(said.code(), this + " refused: " + said.getMessage(), error);
      case UNREACHABLE -> lost(awaited, what, "it is not reachable: " + rootMessage(error), error);
      default -> lost(awaited, what, "it gave up: " + said.getMessage(), error);
    };
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
        "Expected %s %s (%s, %s), but %s".formatted(awaited, this, self, what, why),
        cause);
  }

  @Override
  public void arrived(ExchangeChunk chunk) {
    change(() -> {
      inbox.add(chunk);
      arrivals.add(System.nanoTime());
    });
  }

  @Override
  public void violated(LongtakeException failure) {
    change(() -> violation = failure);
  }

  @Override
  public void incomingEnded() {
    change(() -> {
      if (!incomingEnded) {
        incomingEnded = true;
        incomingEndedNanos = System.nanoTime();
      }
    });
  }

  @Override
  public void granted(int chunks) {
    change(() -> {
      if (!windowKnown) {
        windowKnown = true;
        windowChunks = chunks;
      }
      creditChunks += chunks;
    });
  }

  @Override
  public void outgoingEnded(@Nullable Throwable error) {
    change(() -> {
      outgoingEnded = true;
      outgoingError = error;
    });
  }

  private void change(Runnable change) {
    lock.lock();
    try {
      change.run();
      heardNanos = System.nanoTime();
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }
}
