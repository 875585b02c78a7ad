package dev.longtake.worker.exchange;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import java.time.Duration;

/**
 * Sizes and limits of the exchange. A worker holds at most {@code windowChunks * chunkBytes} of each peer's data that it
 * has not yet consumed, and as much again under way to each peer.
 *
 * @param chunkBytes payload of one message, 1 to {@link #MAX_CHUNK_BYTES}
 * @param windowChunks unconsumed chunks a peer may have sent
 * @param connections to each peer, 1 to {@link #MAX_CONNECTIONS}
 * @param sharedMemory whether chunks go through memory instead of sockets where the peer is on the same host and can open it
 * @param peerTimeout after how long without a sign of life a peer is given up, {@link #MIN_PEER_TIMEOUT} to
 *     {@link #MAX_PEER_TIMEOUT}; peers are asked for one five times as often
 * @param orderWait how long a peer's stream waits for this worker's own order of that job
 * @param maxWaitingStreams streams that may wait for an order at one time, all jobs together
 */
public record ExchangeSettings(
    int chunkBytes,
    int windowChunks,
    int connections,
    boolean sharedMemory,
    Duration peerTimeout,
    Duration orderWait,
    int maxWaitingStreams) {
  /** Half of what one gRPC message may hold. */
  public static final int MAX_CHUNK_BYTES = 32 << 20;

  public static final int MAX_CONNECTIONS = 16;

  /** Less would take a long pause of a garbage collector for a death. */
  public static final Duration MIN_PEER_TIMEOUT = Duration.ofMillis(500);

  public static final Duration MAX_PEER_TIMEOUT = Duration.ofHours(1);

  private static final int SIGNS_OF_LIFE = 5;

  public ExchangeSettings {
    if (chunkBytes < 1 || chunkBytes > MAX_CHUNK_BYTES) {
      throw new LongtakeException(
          ErrorCode.INVALID_REQUEST,
          "Expected chunks of 1 to %d bytes, but got %d".formatted(MAX_CHUNK_BYTES, chunkBytes));
    }
    if (connections < 1 || connections > MAX_CONNECTIONS) {
      throw new LongtakeException(
          ErrorCode.INVALID_REQUEST,
          "Expected 1 to %d connections to a peer, but got %d"
              .formatted(MAX_CONNECTIONS, connections));
    }
    if (peerTimeout.compareTo(MIN_PEER_TIMEOUT) < 0
        || peerTimeout.compareTo(MAX_PEER_TIMEOUT) > 0) {
      throw new LongtakeException(
          ErrorCode.INVALID_REQUEST,
          "Expected a peer timeout of %s to %s s, but got %s"
              .formatted(
                  seconds(MIN_PEER_TIMEOUT), seconds(MAX_PEER_TIMEOUT), seconds(peerTimeout)));
    }
    if (windowChunks < 1 || maxWaitingStreams < 1 || orderWait.isNegative() || orderWait.isZero()) {
      throw new LongtakeException(
          ErrorCode.INVALID_REQUEST,
          "Expected a window, an order wait and a limit of waiting streams above 0, but got %d, %s, %d"
              .formatted(windowChunks, orderWait, maxWaitingStreams));
    }
  }

  /**
   * Chunks of 1 MiB, 4 of them under way for each peer; a stream waits 30 s for its order. What is under way lies in buffers of gRPC
   * and of the kernel: more of it no longer fits into a processor's cache, and at 8 chunks costs half of the speed over loopback.
   * 4 MiB are what 100 Gbit/s carry in 330 us.
   */
  public static ExchangeSettings defaults() {
    return new ExchangeSettings(
        1 << 20, 4, 1, true, Duration.ofSeconds(5), Duration.ofSeconds(30), 256);
  }

  /** The same with another chunk size. */
  public ExchangeSettings withChunkBytes(int bytes) {
    return new ExchangeSettings(
        bytes, windowChunks, connections, sharedMemory, peerTimeout, orderWait, maxWaitingStreams);
  }

  /** The same with another number of connections. */
  public ExchangeSettings withConnections(int count) {
    return new ExchangeSettings(
        chunkBytes, windowChunks, count, sharedMemory, peerTimeout, orderWait, maxWaitingStreams);
  }

  /** The same with or without shared memory. */
  public ExchangeSettings withSharedMemory(boolean isUsed) {
    return new ExchangeSettings(
        chunkBytes, windowChunks, connections, isUsed, peerTimeout, orderWait, maxWaitingStreams);
  }

  /** The same with another limit for peers that show no sign of life. */
  public ExchangeSettings withPeerTimeout(Duration limit) {
    return new ExchangeSettings(
        chunkBytes, windowChunks, connections, sharedMemory, limit, orderWait, maxWaitingStreams);
  }

  private static double seconds(Duration duration) {
    return duration.toMillis() / 1000.0;
  }

  /** How often peers are asked for a sign of life. */
  Duration signOfLifeInterval() {
    return peerTimeout.dividedBy(SIGNS_OF_LIFE);
  }
}
