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
 * @param orderWait how long a peer's stream waits for this worker's own order of that job
 * @param maxWaitingStreams streams that may wait for an order at one time, all jobs together
 */
public record ExchangeSettings(
    int chunkBytes,
    int windowChunks,
    int connections,
    boolean sharedMemory,
    Duration orderWait,
    int maxWaitingStreams) {
  /** Half of what one gRPC message may hold. */
  public static final int MAX_CHUNK_BYTES = 32 << 20;

  public static final int MAX_CONNECTIONS = 16;

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
    return new ExchangeSettings(1 << 20, 4, 1, true, Duration.ofSeconds(30), 256);
  }

  /** The same with another chunk size. */
  public ExchangeSettings withChunkBytes(int bytes) {
    return new ExchangeSettings(
        bytes, windowChunks, connections, sharedMemory, orderWait, maxWaitingStreams);
  }

  /** The same with another number of connections. */
  public ExchangeSettings withConnections(int count) {
    return new ExchangeSettings(
        chunkBytes, windowChunks, count, sharedMemory, orderWait, maxWaitingStreams);
  }

  /** The same with or without shared memory. */
  public ExchangeSettings withSharedMemory(boolean isUsed) {
    return new ExchangeSettings(
        chunkBytes, windowChunks, connections, isUsed, orderWait, maxWaitingStreams);
  }
}
