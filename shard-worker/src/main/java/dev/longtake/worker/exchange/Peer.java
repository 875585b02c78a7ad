package dev.longtake.worker.exchange;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.worker.exchange.wire.IncomingChunk;
import dev.longtake.worker.exchange.wire.OutgoingChunk;
import dev.longtake.worker.exchange.wire.PayloadCopy;
import io.grpc.Channel;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * What goes between a rank and one peer: chunks that arrived, credits for sending, the streams that carry them. Whether the peer can
 * still be waited for is told by its {@link PeerLife}.
 *
 * <p>All state is guarded by the exchange's lock. Its condition is signalled when the thread that exchanges may go on or has to look
 * again at how long to wait, not for each chunk. Methods called "held" want the caller to hold the lock.
 */
final class Peer implements OutgoingStream.Listener, IncomingStream.Listener {
  private final JobRank self;
  private final int rank;
  private final String address;
  private final PeerLife life;
  private final ReentrantLock lock;
  private final Condition changed;
  private final ExchangeMemory memory;
  private final LinkMeters link;
  private final List<OutgoingStream> outgoing;
  // Told what work of gRPC's threads throws.
  private final Consumer<Throwable> onFailure;

  // What is under way at the current exchange point.
  private @Nullable Sending sending;
  private @Nullable Receiving receiving;
  // Threads that read what is sent or write what is received, without the lock.
  private int copying;

  private final ArrayDeque<Arrival> inbox = new ArrayDeque<>();
  private final @Nullable IncomingStream[] incoming;
  // What one stream still brings may come after the end of another.
  private int attachedIncoming;
  private int endedIncoming;
  private boolean closed;
  // Chunks that were consumed and whose credits were not given back: a message for each would cost
  // as much as the frame of a chunk.
  private int consumedChunks;
  private final int creditsAtOnce;

  // Streams that the peer has answered on, used in turn.
  private final List<OutgoingStream> usable = new ArrayList<>();
  // The first grant is the window; afterwards each consumed chunk gives one credit back. So all
  // that was sent has been consumed exactly when the credits are the window again.
  private boolean windowKnown;
  private long windowChunks;
  private long creditChunks;
  // Since when a chunk is ready for which there is no credit; 0: there is none.
  private long stalledSinceNanos;
  // Bytes of the chunks whose credits are out. Chunks differ in size only at the end of a point, so
  // it does not matter that credits may come back in another order.
  private final ArrayDeque<Long> unacknowledged = new ArrayDeque<>();
  private int endedOutgoing;

  // Only used by the thread that exchanges.
  private long sendPoint;
  private long receivePoint;
  private final LongAdder sentBytes = new LongAdder();

  /** A chunk and the stream it came on. */
  record Arrival(IncomingStream stream, IncomingChunk chunk) {}

  Peer(
      JobRank self,
      int rank,
      ExchangeSettings settings,
      LinkMeters link,
      long timeoutNanos,
      ReentrantLock lock,
      Condition changed,
      ExchangeMemory memory,
      Consumer<Throwable> onFailure) {
    this.self = self;
    this.rank = rank;
    this.address = self.gang().get(rank);
    this.life = new PeerLife(self, toString(), timeoutNanos, settings.peerTimeout().toNanos());
    this.lock = lock;
    this.changed = changed;
    this.memory = memory;
    this.link = link;
    this.creditsAtOnce = Math.max(1, settings.windowChunks() / 2);
    this.onFailure = onFailure;
    this.incoming = new IncomingStream[ExchangeSettings.MAX_CONNECTIONS];
    this.outgoing =
        Stream.generate(() -> new OutgoingStream(this, settings))
            .limit(settings.connections())
            .toList();
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

  /** Counts what is sent to this peer. */
  long nextSendPoint() {
    return sendPoint++;
  }

  /** Counts what is received from this peer. */
  long nextReceivePoint() {
    return receivePoint++;
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

  /** An exchange point begins. */
  void begin(@Nullable Sending toSend, @Nullable Receiving toReceive) {
    lock.lock();
    try {
      sending = toSend;
      receiving = toReceive;
    } finally {
      lock.unlock();
    }
  }

  /** More of what is to be sent is written: the event loops send it, as far as credits allow for. */
  void ready(long bytes) {
    List<OutgoingStream> streams;
    lock.lock();
    try {
      if (sending == null) {
        return;
      }
      sending.ready(bytes);
      noteStall();
      if (!sending.isReady() || creditChunks == 0) {
        return;
      }
      streams = List.copyOf(usable);
    } finally {
      lock.unlock();
    }
    streams.forEach(OutgoingStream::wake);
  }

  /**
   * All that is to be sent is written. Sends what credits allow for, and copies what is already there; the rest is done by gRPC's
   * threads, as credits and chunks come.
   *
   * @param copy for the calling thread
   */
  void exchangeNow(PayloadCopy copy) {
    lock.lock();
    try {
      if (sending != null) {
        sending.ready();
        noteStall();
      }
    } finally {
      lock.unlock();
    }
    sendOnAll();
    while (placeNext(copy)) {
      // A chunk that came early is in its place.
    }
  }

  /** Held. The exchange point is over; whoever still copies for it is to be waited for: {@link #isCopying}. */
  void end() {
    endStall();
    sending = null;
    receiving = null;
  }

  /** Held. Credits have run out while a chunk is ready. */
  private void noteStall() {
    if (stalledSinceNanos == 0
        && windowKnown
        && creditChunks == 0
        && sending != null
        && sending.isReady()) {
      stalledSinceNanos = System.nanoTime();
    }
  }

  /** Held. There are credits again, or the exchange point is over. */
  private void endStall() {
    if (stalledSinceNanos != 0) {
      link.stalled(System.nanoTime() - stalledSinceNanos);
      stalledSinceNanos = 0;
    }
  }

  /** For what is received. */
  LinkMeters link() {
    return link;
  }

  /** Held. Whether memory of the exchange point is still read or written. */
  boolean isCopying() {
    return copying > 0;
  }

  /** Sends on all usable streams in turn, but no more than a window, so that the calling thread comes to other things. */
  private void sendOnAll() {
    List<OutgoingStream> streams;
    long most;
    lock.lock();
    try {
      streams = List.copyOf(usable);
      most = windowChunks;
    } finally {
      lock.unlock();
    }
    for (int i = 0; i < most && sendNext(streams.get(i % streams.size())); i++) {
      // A chunk was sent.
    }
  }

  /** Sends a chunk on a stream, or what is a single chunk on the first; false when nothing may be sent. */
  private boolean sendNext(OutgoingStream by) {
    Sending mine;
    OutgoingStream on;
    OutgoingChunk chunk;
    lock.lock();
    try {
      mine = sending;
      if (mine == null || closed || !mine.isReady()) {
        return false;
      }
      // Small messages keep their order: each is sent without waiting for the one before.
      on = mine.isOneChunk() ? outgoing.getFirst() : by;
      // Chunks on several streams would pass those that were sent before on the first.
      boolean mustWait = mine.isAtStart() && outgoing.size() > 1 && !mine.isOneChunk();
      if (creditChunks == 0
          || !life.canTake()
          || !usable.contains(on)
          || (mustWait && !acknowledgedAll())) {
        return false;
      }
      creditChunks--;
      chunk = mine.take(on);
      unacknowledged.add(chunk.payloadBytes());
      memory.hold(chunk.payloadBytes());
      copying++;
      noteStall();
    } finally {
      lock.unlock();
    }
    boolean isSent = false;
    try {
      on.send(chunk);
      sentBytes.add(chunk.payloadBytes());
      link.sent(chunk.payloadBytes());
      isSent = true;
    } finally {
      lock.lock();
      try {
        copying--;
        if (isSent) {
          mine.handedOver(chunk);
        }
        if (closed || mine.isDone()) {
          changed.signalAll();
        }
      } finally {
        lock.unlock();
      }
    }
    return true;
  }

  /** Copies a chunk that has arrived and gives its credit back; false when none is there that belongs to this exchange point. */
  private boolean placeNext(PayloadCopy copy) {
    Receiving into;
    Arrival arrival;
    lock.lock();
    try {
      into = receiving;
      if (into == null || into.isClaimed() || inbox.isEmpty()) {
        return false;
      }
      // One that does not belong here stays in the inbox, which is emptied when the exchange fails.
      into.claim(inbox.element().chunk());
      arrival = inbox.remove();
      copying++;
    } finally {
      lock.unlock();
    }
    boolean isPlaced = false;
    boolean grants = false;
    try (IncomingChunk chunk = arrival.chunk()) {
      into.copy(chunk, copy);
      arrival.stream().consumed(chunk);
      link.received(chunk.head().payloadBytes());
      isPlaced = true;
    } finally {
      release(arrival.chunk());
      lock.lock();
      try {
        copying--;
        if (isPlaced) {
          into.placed(arrival.chunk());
          consumedChunks++;
        }
        if (closed || into.isDone()) {
          changed.signalAll();
        }
        grants =
            consumedChunks >= creditsAtOnce || (into.isDone() && isCreditAwaited(arrival.chunk()));
        if (grants) {
          consumedChunks = 0;
        }
      } finally {
        lock.unlock();
      }
    }
    if (grants) {
      grant();
    }
    return true;
  }

  /** Gives back the credits of what was consumed. */
  void grant() {
    for (IncomingStream stream : incoming) {
      if (stream != null) {
        stream.grant();
      }
    }
  }

  /**
   * Held. Whether the sender may wait for the credits of a point that is done. For one chunk it does not, so its credit comes with later
   * ones: a message of its own would cost as much as the chunk. With several streams it waits before the next larger point, though, and
   * a slot is given back for the next chunk.
   */
  private boolean isCreditAwaited(IncomingChunk last) {
    return last.head().payloadBytes() < last.head().totalBytes()
        || attachedIncoming > 1
        || last.slot().isPresent();
  }

  /** Held. Chunks that were sent hold no memory any more. */
  private void acknowledge(int chunks) {
    for (int i = 0; i < chunks && !unacknowledged.isEmpty(); i++) {
      memory.release(unacknowledged.remove());
    }
  }

  private void release(IncomingChunk chunk) {
    memory.release(bytesHere(chunk));
  }

  /** A payload in shared memory is its sender's. */
  private static long bytesHere(IncomingChunk chunk) {
    return chunk.slot().isPresent() ? 0 : chunk.head().payloadBytes();
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
      acknowledge(unacknowledged.size());
      changed.signalAll();
    } finally {
      lock.unlock();
    }
    for (Arrival arrival : dropped) {
      arrival.stream().drop(arrival.chunk());
      release(arrival.chunk());
    }
    // The reason first: it can only be told where this rank is the server.
    incoming().forEach(stream -> stream.refuse(reason));
    outgoing.forEach(stream -> stream.cancel(reason.getMessage()));
  }

  /** Held. See {@link PeerLife#patienceNanos}; chunks in the inbox are to be taken first. */
  long patienceNanos(boolean chunks, long sinceNanos, Supplier<String> awaited, String what) {
    return life.patienceNanos(chunks, sinceNanos, awaited, what);
  }

  @Override
  public boolean arrived(IncomingStream by, IncomingChunk chunk) {
    lock.lock();
    try {
      if (closed) {
        return false;
      }
      inbox.add(new Arrival(by, chunk));
      memory.hold(bytesHere(chunk));
      life.did(chunk.arrivedNanos());
    } finally {
      lock.unlock();
    }
    return true;
  }

  @Override
  public void violated(LongtakeException failure) {
    change(() -> life.violated(failure));
  }

  @Override
  public void incomingEnded(boolean inOrder) {
    change(() -> {
      endedIncoming++;
      if (endedIncoming >= attachedIncoming || !inOrder) {
        life.incomingEnded(inOrder);
      }
    });
  }

  @Override
  public void granted(OutgoingStream by, int chunks) {
    boolean isFirst;
    lock.lock();
    try {
      if (!usable.contains(by)) {
        usable.add(by);
        // From now on signs of life are expected: the wait for them begins.
        changed.signalAll();
      }
      isFirst = !windowKnown && chunks > 0;
      if (isFirst) {
        windowKnown = true;
        windowChunks = chunks;
      } else {
        acknowledge(chunks);
      }
      creditChunks += chunks;
      if (chunks > 0) {
        endStall();
      }
      if (chunks > 0) {
        life.did(System.nanoTime());
      }
      life.showedSign(System.nanoTime());
      if (sending != null) {
        sending.credited();
        if (sending.isDone()) {
          changed.signalAll();
        }
      }
      isFirst |= sending != null && sending.isAtStart();
    } finally {
      lock.unlock();
    }
    if (isFirst) {
      try {
        sendOnAll();
      } catch (RuntimeException | Error e) {
        onFailure.accept(e);
      }
    }
  }

  @Override
  public boolean sendOne(OutgoingStream by) {
    try {
      return sendNext(by);
    } catch (RuntimeException | Error e) {
      onFailure.accept(e);
      return false;
    }
  }

  @Override
  public boolean placeOne(PayloadCopy copy) {
    try {
      return placeNext(copy);
    } catch (RuntimeException | Error e) {
      onFailure.accept(e);
      return false;
    }
  }

  @Override
  public void outgoingEnded(@Nullable Throwable error) {
    change(() -> {
      endedOutgoing++;
      if (endedOutgoing >= outgoing.size() || error != null) {
        life.outgoingEnded(error);
      }
    });
  }

  private void change(Runnable change) {
    lock.lock();
    try {
      change.run();
      life.did(System.nanoTime());
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }
}
