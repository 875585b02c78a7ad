package dev.longtake.worker.exchange;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.ExchangeHello;
import dev.longtake.worker.engine.Exchange;
import dev.longtake.worker.engine.ExchangePoint;
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
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/**
 * The exchange of one lane of an order over gRPC streams, one to each peer and one from each.
 *
 * <p><b>Flow.</b> While the caller still writes, event loops send what is ready. Then the calling thread sends what credits allow for
 * and copies what has already come. From then on gRPC's threads do both: a credit that comes makes the connection's event loop send the
 * next chunk, a chunk that comes is copied by the event loop that has just read it. So bytes stay in one processor's cache between socket
 * and memory, no chunk waits for another thread to wake up, and the calling thread wakes once, at the end. A receiver asks gRPC for as
 * many messages as it has granted: each peer costs at most a window of chunks on either side.
 *
 * <p><b>Memory.</b> Outgoing bytes are copied once, into gRPC's buffers or into memory that the peer sees, before the call returns: the
 * caller may reuse or free their segments at once. These must be usable by any thread (a shared, automatic or global arena). Incoming bytes are copied once, into
 * their place.
 *
 * <p><b>Failure.</b> The first failure wakes every waiting thread, is thrown by the call under way and all later ones, and
 * is told to the peers. A peer that leaves is noticed when something is still needed from it, and at once if it is.
 *
 * <p><b>Threads.</b> {@link #begin} and what it returns from one thread; everything else from any.
 */
public final class GrpcExchange implements Exchange {
  private final ExchangeSettings settings;
  private final JobRank self;
  private final List<Peer> peers;
  private final Consumer<LongtakeException> onFailure;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();
  private final PayloadCopy earlyCopy = new PayloadCopy();

  // Guarded by the lock.
  private @Nullable LongtakeException failure;
  private boolean exchanging;

  /**
   * One lane's exchange.
   *
   * @param links by rank; asked for those of others
   * @param memory of the order, where what this lane holds is counted
   * @param onFailure told of the first failure, by the thread that met it
   */
  GrpcExchange(
      ExchangeSettings settings,
      JobRank self,
      IntFunction<LinkMeters> links,
      Duration timeout,
      ExchangeMemory memory,
      Consumer<LongtakeException> onFailure) {
    this.settings = settings;
    this.self = self;
    this.onFailure = onFailure;
    var others = new ArrayList<Peer>();
    for (int rank : others()) {
      others.add(
          new Peer(
              self,
              rank,
              settings,
              links.apply(rank),
              timeout.toNanos(),
              lock,
              changed,
              memory,
              this::failed));
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
      var offered =
          settings.sharedMemory() && hello.hasSharedMemory() ? hello.getSharedMemory() : null;
      stream.accept(sender, window, hello.getStream() == 0 ? window : 0, offered);
      // What was kept back while there was one stream.
      sender.grant();
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
   * <p>{@link ExchangePoint#await} also throws STALE_ATTEMPT when a peer already works on a newer attempt, and INTERNAL when a peer's
   * program does not match this one's.
   */
  @Override
  public ExchangePoint begin(
      @Nullable MemorySegment[] outgoing, @Nullable MemorySegment[] incoming, String what) {
    enter(outgoing, incoming);
    var waited = new PeerWait();
    var transfers = new ArrayList<Transfer>();
    for (Peer peer : peers) {
      Sending sending = null;
      Receiving receiving = null;
      MemorySegment source = outgoing[peer.rank()];
      MemorySegment target = incoming[peer.rank()];
      if (source != null && source.byteSize() > 0) {
        sending = new Sending(self, peer, source, settings.chunkBytes(), what, waited);
        transfers.add(sending);
      }
      if (target != null && target.byteSize() > 0) {
        receiving = new Receiving(self, peer, target, what, waited);
        transfers.add(receiving);
      }
      peer.begin(sending, receiving);
    }
    return new Point(transfers, waited, what);
  }

  /** The exchange that is under way. */
  private final class Point implements ExchangePoint {
    private final List<Transfer> transfers;
    private final PeerWait waited;
    private final String what;
    private boolean isOver;

    Point(List<Transfer> transfers, PeerWait waited, String what) {
      this.transfers = transfers;
      this.waited = waited;
      this.what = what;
    }

    @Override
    public void ready(int peer, long bytes) {
      var _ =
          guard(() -> {
            peers.stream().filter(p -> p.rank() == peer).forEach(p -> p.ready(bytes));
            return true;
          });
    }

    @Override
    public long await() {
      waited.begin();
      var _ =
          guard(() -> {
            peers.forEach(peer -> peer.exchangeNow(earlyCopy));
            GrpcExchange.this.await(transfers);
            return true;
          });
      leave();
      return waited.nanos();
    }

    private void leave() {
      isOver = true;
      end();
    }

    @Override
    public void close() {
      if (!isOver) {
        abort(
            new LongtakeException(
                ErrorCode.CANCELED,
                "The exchange was left before all was sent (%s, %s)".formatted(self, what)));
        try {
          leave();
        } catch (LongtakeException e) {
          // What made the caller leave is thrown already.
        }
      }
    }
  }

  private void enter(@Nullable MemorySegment[] outgoing, @Nullable MemorySegment[] incoming) {
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

  /** Leaves no thread with memory that is the caller's again. What threads still do here is to copy one chunk. */
  private void end() {
    lock.lock();
    try {
      peers.forEach(Peer::end);
      while (peers.stream().anyMatch(Peer::isCopying)) {
        changed.awaitUninterruptibly();
      }
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

  /** Whatever goes wrong becomes the failure of the exchange, so that no thread is left waiting. */
  private boolean guard(BooleanSupplier work) {
    try {
      return work.getAsBoolean();
    } catch (RuntimeException | Error e) {
      failed(e);
      return false;
    }
  }

  private void failed(Throwable cause) {
    abort(
        cause instanceof LongtakeException known
            ? known
            : new LongtakeException(
                ErrorCode.INTERNAL, "The exchange failed (%s): %s".formatted(self, cause), cause));
  }

  private void await(List<Transfer> transfers) {
    lock.lock();
    try {
      while (true) {
        requireHealthy();
        long nanos = Long.MAX_VALUE;
        for (Transfer transfer : transfers) {
          if (!transfer.isDone()) {
            nanos = Math.min(nanos, transfer.patienceNanos());
          }
        }
        if (nanos == Long.MAX_VALUE) {
          return;
        }
        var _ = changed.await(nanos, TimeUnit.NANOSECONDS);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LongtakeException(
          ErrorCode.CANCELED, "The exchange was interrupted (" + self + ")", e);
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
