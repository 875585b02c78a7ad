package dev.longtake.worker.exchange;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.rpc.Endpoints;
import dev.longtake.v1.ExchangeHello;
import dev.longtake.worker.engine.Exchange;
import dev.longtake.worker.engine.GangExchange;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.IntFunction;
import java.util.stream.IntStream;

/**
 * The exchanges of one order: lanes with streams of their own, so that a lane whose peer is late holds up no other. They fail
 * together: the first failure of one ends all.
 *
 * <p>Thread-safe; each lane's calls come from one thread at a time.
 */
public final class GrpcGang implements GangExchange, AutoCloseable {
  /** How long {@link #close} waits for the peers to take note. */
  private static final long CLOSE_WAIT_NANOS = Duration.ofSeconds(2).toNanos();

  private final ExchangeHub hub;
  private final String jobId;
  private final long attempt;
  private final int rank;
  private final int ranks;
  private final long windowBytes;
  private final List<GrpcExchange> lanes = new ArrayList<>();
  private final Map<Integer, PeerChannels> connections = new HashMap<>();
  private final ExchangeMemory memory = new ExchangeMemory();
  private final AtomicBoolean closed = new AtomicBoolean();

  GrpcGang(
      ExchangeHub hub,
      ExchangeSettings settings,
      String jobId,
      long attempt,
      int rank,
      List<GangMember> gang,
      IntFunction<LinkMeters> links,
      int laneCount,
      Duration timeout) {
    this.hub = hub;
    this.jobId = jobId;
    this.attempt = attempt;
    this.rank = rank;
    this.ranks = gang.size();
    this.windowBytes = (long) settings.windowChunks() * settings.chunkBytes();
    // Before any channel is made, so that none is left behind.
    gang.forEach(member -> Endpoints.requireAddress(member.address()));
    for (int peer = 0; peer < ranks; peer++) {
      if (peer != rank) {
        connections.put(peer, hub.connect(gang.get(peer)));
      }
    }
    List<String> addresses = gang.stream().map(GangMember::address).toList();
    for (int lane = 0; lane < laneCount; lane++) {
      var self = new JobRank(jobId, attempt, lane, rank, addresses);
      lanes.add(new GrpcExchange(settings, self, links, timeout, memory, this::abort));
    }
  }

  String jobId() {
    return jobId;
  }

  long attempt() {
    return attempt;
  }

  /** Opens the streams to the peers; they connect in the background. */
  void start() {
    lanes.forEach(lane -> lane.start(connections));
  }

  /** Takes in the stream of a peer, or refuses it. */
  void attach(IncomingStream stream, ExchangeHello hello) {
    if (hello.getLane() < 0 || hello.getLane() >= lanes.size()) {
      stream.refuse(
          new LongtakeException(
              ErrorCode.INVALID_REQUEST,
              "Expected a stream of lane 0 to %d for job %s, attempt %d, but got lane %d; the ranks have different plans"
                  .formatted(lanes.size() - 1, jobId, attempt, hello.getLane())));
    } else {
      lanes.get(hello.getLane()).attach(stream, hello);
    }
  }

  @Override
  public int rank() {
    return rank;
  }

  @Override
  public int ranks() {
    return ranks;
  }

  @Override
  public Exchange lane(int lane) {
    return lanes.get(lane);
  }

  @Override
  public List<Long> sentBytesByRank() {
    return IntStream.range(0, ranks)
        .mapToObj(peer -> lanes.stream().mapToLong(lane -> lane.sentBytes(peer)).sum())
        .toList();
  }

  @Override
  public long peakBytes() {
    return memory.peakBytes();
  }

  /** What of {@link #peakBytes} is held now. */
  long heldBytes() {
    return memory.heldBytes();
  }

  /** Two windows for each peer and lane. */
  long heldLimitBytes() {
    return 2L * windowBytes * (ranks - 1) * lanes.size();
  }

  /** Chunks that arrived and wait to be consumed; never more than the window for each peer and lane. */
  public int queuedChunks() {
    return lanes.stream().mapToInt(GrpcExchange::queuedChunks).sum();
  }

  /** Payload bytes that arrived and wait to be consumed. */
  public long queuedBytes() {
    return lanes.stream().mapToLong(GrpcExchange::queuedBytes).sum();
  }

  /**
   * Ends all exchanges with a failure, unless they have one: calls under way and all later ones throw it, and the peers are told.
   * Does not block; {@link #close} is still to be called.
   */
  public void abort(LongtakeException reason) {
    lanes.forEach(lane -> lane.abort(reason));
  }

  @Override
  public void abort(Throwable cause) {
    abort(
        cause instanceof LongtakeException known
            ? known
            : new LongtakeException(
                ErrorCode.INTERNAL, "internal error: " + cause.getClass().getSimpleName(), cause));
  }

  /**
   * Leaves the job. Between two exchanges of a healthy job the streams end in order: peers keep what they got. In the
   * middle of an exchange it fails that exchange with CANCELED. Bounded; a second call does nothing.
   */
  @Override
  public void close() {
    if (!closed.compareAndSet(false, true)) {
      return;
    }
    hub.closed(this);
    boolean inOrder = lanes.stream().allMatch(GrpcExchange::isQuiet);
    if (inOrder) {
      lanes.forEach(GrpcExchange::complete);
    }
    abort(
        new LongtakeException(
            ErrorCode.CANCELED,
            "The exchange is closed (job %s, attempt %d)".formatted(jobId, attempt)));
    long deadlineNanos = System.nanoTime() + CLOSE_WAIT_NANOS;
    connections.values().forEach(peer -> peer.close(deadlineNanos));
  }
}
