package dev.longtake.worker.exchange;

import com.google.protobuf.UnsafeByteOperations;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.ExchangeChunk;
import dev.longtake.v1.ExchangeHello;
import dev.longtake.v1.ExchangeMessage;
import dev.longtake.worker.engine.Exchange;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * The exchange of one order over gRPC streams, one to each peer and one from each.
 *
 * <p><b>Flow.</b> {@link #allToAll} sends to every peer from a virtual thread of its own while the caller's thread
 * receives from all, so two ranks that both send more than a window never wait for each other. A sender spends a credit
 * for each chunk and gets it back when the peer has consumed the chunk; a receiver asks gRPC for as many messages as it
 * has granted. So each peer costs at most a window of chunks on either side.
 *
 * <p><b>Memory.</b> Outgoing segments are wrapped, not copied, and the call returns only when each peer has consumed all
 * of them, or all senders have stopped: the caller may reuse or free them at once. They must be readable from any thread
 * (a shared, automatic or global arena). Incoming bytes are copied once, into their place.
 *
 * <p><b>Failure.</b> The first failure wakes every waiting thread, is thrown by the call under way and all later ones, and
 * is told to the peers. A peer that leaves is noticed when something is still needed from it, and at once if it is.
 *
 * <p><b>Threads.</b> {@link #allToAll} from one thread; everything else from any.
 */
public final class GrpcExchange implements Exchange {
  /** How long {@link #close} waits for the peers to take note. */
  private static final long CLOSE_WAIT_NANOS = Duration.ofSeconds(2).toNanos();

  private final ExchangeHub hub;
  private final ExchangeSettings settings;
  private final JobRank self;
  private final List<Peer> peers;
  private final LongAdder sentBytes = new LongAdder();
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();

  // Guarded by the lock.
  private @Nullable LongtakeException failure;
  private boolean exchanging;
  private boolean closed;
  // The exchange under way, or the next one.
  private long point;

  GrpcExchange(ExchangeHub hub, ExchangeSettings settings, JobRank self, Duration timeout) {
    this.hub = hub;
    this.settings = settings;
    this.self = self;
    var others = new ArrayList<Peer>();
    for (int rank = 0; rank < self.gang().size(); rank++) {
      if (rank != self.rank()) {
        others.add(new Peer(self, rank, timeout.toNanos(), lock, changed));
      }
    }
    this.peers = List.copyOf(others);
  }

  /** Opens the streams to the peers; they connect in the background. */
  void start() {
    peers.forEach(peer -> peer.outgoing().start(self.helloTo(peer.rank())));
  }

  JobRank self() {
    return self;
  }

  /** Takes in the stream of a peer, or refuses it. */
  void attach(IncomingStream stream, ExchangeHello hello) {
    Peer sender =
        peers.stream().filter(p -> p.rank() == hello.getFromRank()).findFirst().orElse(null);
    LongtakeException refusal = null;
    lock.lock();
    try {
      if (sender == null || hello.getToRank() != self.rank()) {
        refusal =
            new LongtakeException(
                ErrorCode.INVALID_REQUEST,
                "Expected a stream from another of %d ranks to rank %d (%s), but got one from rank %d to rank %d"
                    .formatted(ranks(), rank(), self, hello.getFromRank(), hello.getToRank()));
      } else if (failure != null) {
        refusal = failure;
      } else if (!sender.setIncoming(stream)) {
        refusal = ExchangeHub.duplicate(hello);
      }
    } finally {
      lock.unlock();
    }
    if (refusal != null) {
      stream.refuse(refusal);
    } else if (sender != null) {
      stream.accept(sender, settings.windowChunks());
    }
  }

  @Override
  public int rank() {
    return self.rank();
  }

  @Override
  public int ranks() {
    return self.gang().size();
  }

  @Override
  public long sentBytes() {
    return sentBytes.sum();
  }

  /** Chunks that arrived and wait to be consumed; never more than the window for each peer. */
  public int queuedChunks() {
    lock.lock();
    try {
      return peers.stream().mapToInt(Peer::queuedChunks).sum();
    } finally {
      lock.unlock();
    }
  }

  /**
   * {@inheritDoc}
   *
   * <p>Also throws STALE_ATTEMPT when a peer already works on a newer attempt, and INTERNAL when a peer's program does
   * not match this one's.
   */
  @Override
  public void allToAll(
      @Nullable MemorySegment[] outgoing, @Nullable MemorySegment[] incoming, String what) {
    long current = begin(outgoing, incoming);
    var senders = new ArrayList<Thread>();
    for (Peer peer : peers) {
      MemorySegment segment = outgoing[peer.rank()];
      if (segment != null && segment.byteSize() > 0) {
        senders.add(
            Thread.ofVirtual()
                .name("lt-send-" + peer.rank())
                .start(() -> guard(() -> send(peer, segment, current, what))));
      }
    }
    guard(() -> receive(incoming, current, what));
    senders.forEach(this::join);
    end();
  }

  private long begin(@Nullable MemorySegment[] outgoing, @Nullable MemorySegment[] incoming) {
    if (outgoing.length != ranks() || incoming.length != ranks()) {
      throw new LongtakeException(
          ErrorCode.INTERNAL,
          "Expected one segment or null for each of %d ranks, but got %d out and %d in"
              .formatted(ranks(), outgoing.length, incoming.length));
    }
    lock.lock();
    try {
      requireHealthy();
      if (exchanging) {
        throw new LongtakeException(
            ErrorCode.INTERNAL,
            "Expected exchanges one after the other, but two threads called at once");
      }
      exchanging = true;
      return point;
    } finally {
      lock.unlock();
    }
  }

  private void end() {
    lock.lock();
    try {
      exchanging = false;
      point++;
      requireHealthy();
    } finally {
      lock.unlock();
    }
  }

  /** Held. */
  private void requireHealthy() {
    if (failure != null) {
      throw new LongtakeException(failure.code(), failure.getMessage(), failure);
    }
  }

  private interface Work {
    void run() throws InterruptedException;
  }

  /** Whatever goes wrong becomes the failure of the exchange, so that no thread is left waiting. */
  private void guard(Work work) {
    try {
      work.run();
    } catch (LongtakeException e) {
      abort(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      abort(
          new LongtakeException(
              ErrorCode.CANCELED, "The exchange was interrupted (" + self + ")", e));
    } catch (RuntimeException | Error e) {
      abort(
          new LongtakeException(
              ErrorCode.INTERNAL, "The exchange failed (%s): %s".formatted(self, e), e));
    }
  }

  /** Senders end by themselves: each of their waits has a deadline. */
  private void join(Thread sender) {
    boolean interrupted = false;
    while (true) {
      try {
        sender.join();
        break;
      } catch (InterruptedException e) {
        interrupted = true;
        abort(
            new LongtakeException(
                ErrorCode.CANCELED, "The exchange was interrupted (" + self + ")", e));
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private void send(Peer peer, MemorySegment segment, long current, String what)
      throws InterruptedException {
    long totalBytes = segment.byteSize();
    for (long offset = 0; offset < totalBytes; ) {
      long size = Math.min(settings.chunkBytes(), totalBytes - offset);
      ByteBuffer payload = segment.asSlice(offset, size).asByteBuffer();
      var checksum = new CRC32C();
      checksum.update(payload.duplicate());
      String awaited =
          "room for bytes %d to %d of %d at".formatted(offset, offset + size, totalBytes);
      awaitCredit(peer, /* all= */ false, awaited, what);
      peer.outgoing()
          .send(
              ExchangeMessage.newBuilder()
                  .setChunk(
                      ExchangeChunk.newBuilder()
                          .setPoint(current)
                          .setOffsetBytes(offset)
                          .setTotalBytes(totalBytes)
                          .setCrc32C((int) checksum.getValue())
                          .setPayload(UnsafeByteOperations.unsafeWrap(payload)))
                  .build());
      sentBytes.add(size);
      offset += size;
    }
    awaitCredit(peer, /* all= */ true, "%d bytes to be taken by".formatted(totalBytes), what);
  }

  /** Waits until one more chunk may be sent, or until all sent ones were consumed. */
  private void awaitCredit(Peer peer, boolean all, String awaited, String what)
      throws InterruptedException {
    long sinceNanos = System.nanoTime();
    lock.lock();
    try {
      while (true) {
        requireHealthy();
        if (all ? peer.acknowledgedAll() : peer.takeCredit()) {
          return;
        }
        long nanos = peer.patienceNanos(/* chunks= */ false, sinceNanos, awaited, what);
        var _ = changed.await(nanos, TimeUnit.NANOSECONDS);
      }
    } finally {
      lock.unlock();
    }
  }

  private void receive(@Nullable MemorySegment[] incoming, long current, String what)
      throws InterruptedException {
    var assemblies = new ArrayList<Assembly>();
    for (Peer peer : peers) {
      MemorySegment segment = incoming[peer.rank()];
      if (segment != null && segment.byteSize() > 0) {
        assemblies.add(new Assembly(self, peer, segment, current, what));
      }
    }
    long sinceNanos = System.nanoTime();
    while (!assemblies.isEmpty()) {
      Assembly assembly = awaitChunk(assemblies, sinceNanos, what);
      assembly.place();
      assembly.peer().consumed();
      // The one that was served goes to the end, so that no peer starves the others.
      assemblies.remove(assembly);
      if (!assembly.isComplete()) {
        assemblies.add(assembly);
      }
    }
  }

  /** Waits until one of them has its next chunk. */
  private Assembly awaitChunk(List<Assembly> assemblies, long sinceNanos, String what)
      throws InterruptedException {
    lock.lock();
    try {
      while (true) {
        requireHealthy();
        for (Assembly assembly : assemblies) {
          if (assembly.poll()) {
            return assembly;
          }
        }
        long nanos = Long.MAX_VALUE;
        for (Assembly a : assemblies) {
          nanos =
              Math.min(
                  nanos, a.peer().patienceNanos(/* chunks= */ true, sinceNanos, a.awaited(), what));
        }
        var _ = changed.await(nanos, TimeUnit.NANOSECONDS);
      }
    } finally {
      lock.unlock();
    }
  }

  /**
   * Ends the exchange with a failure, unless it already has one: the call under way and all later ones throw it, and the
   * peers are told. Does not block; {@link #close} is still to be called.
   */
  public void abort(LongtakeException reason) {
    lock.lock();
    try {
      if (failure != null) {
        return;
      }
      failure = reason;
      changed.signalAll();
    } finally {
      lock.unlock();
    }
    peers.forEach(peer -> peer.abort(reason));
  }

  /**
   * Leaves the job. Between two exchanges of a healthy job the streams end in order: peers keep what they got. In the
   * middle of an exchange it fails that exchange with CANCELED. Bounded; a second call does nothing.
   */
  @Override
  public void close() {
    boolean inOrder;
    lock.lock();
    try {
      if (closed) {
        return;
      }
      closed = true;
      inOrder = failure == null && !exchanging;
    } finally {
      lock.unlock();
    }
    hub.closed(this);
    if (inOrder) {
      peers.forEach(Peer::complete);
    }
    abort(new LongtakeException(ErrorCode.CANCELED, "The exchange is closed (" + self + ")"));
    long deadlineNanos = System.nanoTime() + CLOSE_WAIT_NANOS;
    peers.forEach(peer -> peer.outgoing().closeChannel(deadlineNanos));
  }
}
