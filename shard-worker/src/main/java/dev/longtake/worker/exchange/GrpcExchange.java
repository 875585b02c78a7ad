package dev.longtake.worker.exchange;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.ExchangeHello;
import dev.longtake.worker.engine.Exchange;
import dev.longtake.worker.exchange.wire.IncomingChunk;
import dev.longtake.worker.exchange.wire.PayloadCopy;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The exchange of one lane of an order over gRPC streams, one to each peer and one from each.
 *
 * <p><b>Flow.</b> What fits into one chunk is sent at once, by the caller's thread. More is sent from a virtual thread for each peer
 * while the caller's thread receives from all, so two ranks that both send more than a window never wait for each other. A sender
 * spends a credit for each chunk and gets it back when the peer has consumed the chunk; a receiver asks gRPC for as many messages as
 * it has granted. So each peer costs at most a window of chunks on either side.
 *
 * <p><b>Memory.</b> Outgoing bytes are copied once, into gRPC's buffers, before the call returns: the caller may reuse or free their
 * segments at once. These must be readable from any thread (a shared, automatic or global arena). Incoming bytes are copied once,
 * into their place.
 *
 * <p><b>Failure.</b> The first failure wakes every waiting thread, is thrown by the call under way and all later ones, and
 * is told to the peers. A peer that leaves is noticed when something is still needed from it, and at once if it is.
 *
 * <p><b>Threads.</b> {@link #allToAll} from one thread; everything else from any.
 */
public final class GrpcExchange implements Exchange {
  private final ExchangeSettings settings;
  private final JobRank self;
  private final List<Peer> peers;
  private final Consumer<LongtakeException> onFailure;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();
  private final PayloadCopy receiveCopy = new PayloadCopy();

  // Guarded by the lock.
  private @Nullable LongtakeException failure;
  private boolean exchanging;

  /**
   * One lane's exchange.
   *
   * @param onFailure told of the first failure, by the thread that met it
   */
  GrpcExchange(
      ExchangeSettings settings,
      JobRank self,
      Duration timeout,
      Consumer<LongtakeException> onFailure) {
    this.settings = settings;
    this.self = self;
    this.onFailure = onFailure;
    var others = new ArrayList<Peer>();
    for (int rank = 0; rank < self.gang().size(); rank++) {
      if (rank != self.rank()) {
        others.add(new Peer(self, rank, settings.connections(), timeout.toNanos(), lock, changed));
      }
    }
    this.peers = List.copyOf(others);
  }

  /**
   * Opens the streams to the peers; they connect in the background.
   *
   * @param connections by rank
   */
  void start(Map<Integer, PeerChannels> connections) {
    peers.forEach(peer -> peer.start(Objects.requireNonNull(connections.get(peer.rank())).all()));
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
      } else if (!sender.setIncoming(hello.getStream(), stream)) {
        refusal = ExchangeHub.duplicate(hello);
      }
    } finally {
      lock.unlock();
    }
    if (refusal != null) {
      stream.refuse(refusal);
    } else if (sender != null) {
      // The window is one for all streams, so the first of them grants it.
      int window = settings.windowChunks();
      stream.accept(sender, window, hello.getStream() == 0 ? window : 0);
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

  /** Payload bytes sent so far to one rank. */
  long sentBytes(int rank) {
    return peers.stream().filter(p -> p.rank() == rank).mapToLong(Peer::sentBytes).sum();
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

  /** Payload bytes that arrived and wait to be consumed. */
  long queuedBytes() {
    lock.lock();
    try {
      return peers.stream().mapToLong(Peer::queuedBytes).sum();
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
  public long allToAll(
      @Nullable MemorySegment[] outgoing, @Nullable MemorySegment[] incoming, String what) {
    begin(outgoing, incoming);
    var waited = new PeerWait(System.nanoTime());
    var senders = new ArrayList<Thread>();
    for (Peer peer : peers) {
      MemorySegment segment = outgoing[peer.rank()];
      if (segment != null && segment.byteSize() > 0) {
        var sending = new Sending(self, peer, segment, settings.chunkBytes(), what);
        guard(() -> {
          if (!sendAtOnce(sending)) {
            senders.add(
                Thread.ofVirtual()
                    .name("lt-send-" + peer.rank())
                    .start(() -> guard(() -> sendAll(sending, what, waited))));
          }
        });
      }
    }
    guard(() -> receive(incoming, what, waited));
    senders.forEach(this::join);
    end();
    return waited.nanos();
  }

  private void begin(@Nullable MemorySegment[] outgoing, @Nullable MemorySegment[] incoming) {
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
    } finally {
      lock.unlock();
    }
  }

  private void end() {
    lock.lock();
    try {
      exchanging = false;
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

  /** Of several chunks: spreads them over the streams, and returns when the peer has consumed them. */
  private void sendAll(Sending sending, String what, PeerWait waited) throws InterruptedException {
    if (settings.connections() > 1) {
      // What was sent at once may still be under way on the first stream; chunks on others would
      // pass it.
      awaitTaken(sending, what);
    }
    while (!sending.isComplete()) {
      sending.sendChunk(awaitCredit(sending, what));
    }
    awaitTaken(sending, what);
    waited.forTaking(sending.handedOverNanos());
  }

  /** Sends what needs no waiting; false when it must wait for credits. */
  private boolean sendAtOnce(Sending sending) {
    if (!sending.isOneChunk()) {
      return false;
    }
    OutgoingStream stream;
    lock.lock();
    try {
      stream = failure == null ? sending.peer().takeCreditOfFirst() : null;
    } finally {
      lock.unlock();
    }
    if (stream == null) {
      return false;
    }
    sending.sendChunk(stream);
    return true;
  }

  /** Waits until one more chunk may be sent. */
  private OutgoingStream awaitCredit(Sending sending, String what) throws InterruptedException {
    return awaitCredits(sending, what, sending.peer()::takeCredit);
  }

  /** Waits until the peer has consumed all that was sent. */
  private void awaitTaken(Sending sending, String what) throws InterruptedException {
    var _ = awaitCredits(sending, what, () -> sending.peer().acknowledgedAll() ? true : null);
  }

  /** Waits until there is a result, which is asked for with the lock held whenever something has changed. */
  private <T> T awaitCredits(Sending sending, String what, Supplier<@Nullable T> result)
      throws InterruptedException {
    long sinceNanos = System.nanoTime();
    lock.lock();
    try {
      while (true) {
        requireHealthy();
        T ready = result.get();
        if (ready != null) {
          return ready;
        }
        long nanos =
            sending.peer().patienceNanos(/* chunks= */ false, sinceNanos, sending.awaited(), what);
        var _ = changed.await(nanos, TimeUnit.NANOSECONDS);
      }
    } finally {
      lock.unlock();
    }
  }

  private void receive(@Nullable MemorySegment[] incoming, String what, PeerWait waited)
      throws InterruptedException {
    var assemblies = new ArrayList<Assembly>();
    for (Peer peer : peers) {
      MemorySegment segment = incoming[peer.rank()];
      if (segment != null && segment.byteSize() > 0) {
        assemblies.add(new Assembly(self, peer, segment, what));
      }
    }
    long sinceNanos = System.nanoTime();
    while (!assemblies.isEmpty()) {
      Arrived next = awaitChunk(assemblies, sinceNanos, what);
      Assembly assembly = next.at();
      try (IncomingChunk chunk = next.arrival().chunk()) {
        if (assembly.isEmpty()) {
          waited.forFirstBytes(chunk.arrivedNanos());
        }
        assembly.place(chunk, receiveCopy);
      }
      next.arrival().stream().consumed();
      // The one that was served goes to the end, so that no peer starves the others.
      assemblies.remove(assembly);
      if (!assembly.isComplete()) {
        assemblies.add(assembly);
      }
    }
  }

  private record Arrived(Assembly at, Peer.Arrival arrival) {}

  /** Waits until one of them has a chunk. */
  private Arrived awaitChunk(List<Assembly> assemblies, long sinceNanos, String what)
      throws InterruptedException {
    lock.lock();
    try {
      while (true) {
        requireHealthy();
        for (Assembly assembly : assemblies) {
          Peer.Arrival arrival = assembly.peer().pollChunk();
          if (arrival != null) {
            return new Arrived(assembly, arrival);
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
   * peers are told. Does not block; the gang is still to be closed.
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
    onFailure.accept(reason);
  }

  /** Whether nothing is under way and nothing has failed. */
  boolean isQuiet() {
    lock.lock();
    try {
      return failure == null && !exchanging;
    } finally {
      lock.unlock();
    }
  }

  /** Ends the streams in order: peers keep what they got. {@link #abort} is still to be called. */
  void complete() {
    peers.forEach(Peer::complete);
  }
}
