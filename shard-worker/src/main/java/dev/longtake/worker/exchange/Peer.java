package dev.longtake.worker.exchange;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.rpc.GrpcErrors;
import dev.longtake.worker.exchange.wire.IncomingChunk;
import dev.longtake.worker.exchange.wire.PayloadCopy;
import io.grpc.Channel;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.stream.Stream;
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
  private final List<OutgoingStream> outgoing;
  private final PayloadCopy sendCopy = new PayloadCopy();

  private final ArrayDeque<Arrival> inbox = new ArrayDeque<>();
  private final @Nullable IncomingStream[] incoming;
  // What one stream still brings may come after the end of another.
  private int attachedIncoming;
  private int endedIncoming;
  private boolean incomingEnded;
  private boolean incomingBroken;
  private long incomingEndedNanos;
  private @Nullable LongtakeException violation;
  private boolean closed;

  // Streams that the peer has answered on, used in turn.
  private final List<OutgoingStream> usable = new ArrayList<>();
  private int turn;
  // The first grant is the window; afterwards each consumed chunk gives one credit back. So all
  // that was sent has been consumed exactly when the credits are the window again.
  private boolean windowKnown;
  private long windowChunks;
  private long creditChunks;
  private int endedOutgoing;
  private boolean outgoingEnded;
  private @Nullable Throwable outgoingError;

  private long heardNanos = System.nanoTime();

  // Only used by the thread that exchanges, or by the sender that it started.
  private long sendPoint;
  private long receivePoint;
  private final LongAdder sentBytes = new LongAdder();

  /** A chunk and the stream it came on. */
  record Arrival(IncomingStream stream, IncomingChunk chunk) {}

  Peer(
      JobRank self,
      int rank,
      int streams,
      long timeoutNanos,
      ReentrantLock lock,
      Condition changed) {
    this.self = self;
    this.rank = rank;
    this.address = self.gang().get(rank);
    this.timeoutNanos = timeoutNanos;
    this.lock = lock;
    this.changed = changed;
    this.incoming = new IncomingStream[ExchangeSettings.MAX_CONNECTIONS];
    this.outgoing = Stream.generate(() -> new OutgoingStream(this)).limit(streams).toList();
  }

  int rank() {
    return rank;
  }

  /** Opens the streams for sending, one on each connection. */
  void start(List<Channel> connections) {
    for (int i = 0; i < outgoing.size(); i++) {
      outgoing.get(i).start(connections.get(i), self.helloTo(rank, i));
    }
  }

  @Override
  public String toString() {
    return "rank %d at %s".formatted(rank, address);
  }

  /** Held. False when there is no such stream, or this peer already had it. */
  boolean setIncoming(int index, IncomingStream stream) {
    if (index < 0 || index >= incoming.length || incoming[index] != null) {
      return false;
    }
    incoming[index] = stream;
    attachedIncoming++;
    return true;
  }

  private List<IncomingStream> incoming() {
    lock.lock();
    try {
      return Arrays.stream(incoming).filter(Objects::nonNull).toList();
    } finally {
      lock.unlock();
    }
  }

  /** Held. The next chunk, null when none waits. The caller closes it and tells its stream that it was consumed. */
  @Nullable Arrival pollChunk() {
    return inbox.poll();
  }

  /** Counts what is sent to this peer. */
  long nextSendPoint() {
    return sendPoint++;
  }

  /** Counts what is received from this peer. */
  long nextReceivePoint() {
    return receivePoint++;
  }

  /** For the one thread that sends to this peer. */
  PayloadCopy sendCopy() {
    return sendCopy;
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

  /** Held. Payload bytes that arrived and were not consumed. */
  long queuedBytes() {
    return inbox.stream().mapToLong(arrival -> arrival.chunk().head().payloadBytes()).sum();
  }

  /** Held. Uses up one credit and tells which stream to send on; null when there is no credit. */
  @Nullable OutgoingStream takeCredit() {
    if (creditChunks == 0 || outgoingEnded || usable.isEmpty()) {
      return null;
    }
    creditChunks--;
    turn = (turn + 1) % usable.size();
    return usable.get(turn);
  }

  /**
   * Held. As {@link #takeCredit}, on the first stream, where chunks keep their order; null, too, when the peer has gone, since whoever
   * waits for a credit learns why.
   */
  @Nullable OutgoingStream takeCreditOfFirst() {
    OutgoingStream first = outgoing.getFirst();
    if (creditChunks == 0 || outgoingEnded || incomingBroken || !usable.contains(first)) {
      return null;
    }
    creditChunks--;
    return first;
  }

  /** Held. Whether the peer has consumed every chunk that was sent to it. */
  boolean acknowledgedAll() {
    return windowKnown && creditChunks == windowChunks;
  }

  /** Ends all streams in order. */
  void complete() {
    outgoing.forEach(OutgoingStream::complete);
    incoming().forEach(IncomingStream::complete);
  }

  /** Ends all streams at once and tells the peer why; chunks that were not consumed are dropped. */
  void abort(LongtakeException reason) {
    List<Arrival> dropped;
    lock.lock();
    try {
      closed = true;
      dropped = List.copyOf(inbox);
      inbox.clear();
    } finally {
      lock.unlock();
    }
    dropped.forEach(arrival -> arrival.stream().drop(arrival.chunk()));
    // The reason first: it can only be told where this rank is the server.
    incoming().forEach(stream -> stream.refuse(reason));
    outgoing.forEach(stream -> stream.cancel(reason.getMessage()));
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
    if (incomingBroken || (chunks ? incomingEnded : outgoingEnded)) {
      long leftNanos = incomingEndedNanos + REASON_WAIT_NANOS - nowNanos;
      if (outgoingEnded || leftNanos <= 0) {
        throw lost(
            awaited,
            what,
            incomingBroken
                ? "its connection broke: it died, froze or was cut off"
                : "it has left the job",
            null);
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
  public boolean arrived(IncomingStream by, IncomingChunk chunk) {
    lock.lock();
    try {
      if (!closed) {
        inbox.add(new Arrival(by, chunk));
        heardNanos = chunk.arrivedNanos();
        changed.signalAll();
      }
      return !closed;
    } finally {
      lock.unlock();
    }
  }

  @Override
  public void violated(LongtakeException failure) {
    change(() -> violation = failure);
  }

  @Override
  public void incomingEnded(boolean inOrder) {
    change(() -> {
      endedIncoming++;
      if (endedIncoming >= attachedIncoming || !inOrder) {
        incomingEnded = true;
        incomingEndedNanos = System.nanoTime();
      }
      incomingBroken |= !inOrder;
    });
  }

  @Override
  public void granted(OutgoingStream by, int chunks) {
    change(() -> {
      if (!usable.contains(by)) {
        usable.add(by);
      }
      if (!windowKnown && chunks > 0) {
        windowKnown = true;
        windowChunks = chunks;
      }
      creditChunks += chunks;
    });
  }

  @Override
  public void outgoingEnded(@Nullable Throwable error) {
    change(() -> {
      endedOutgoing++;
      outgoingEnded |= endedOutgoing >= outgoing.size() || error != null;
      if (outgoingError == null) {
        outgoingError = error;
      }
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
