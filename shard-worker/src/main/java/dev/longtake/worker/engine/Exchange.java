package dev.longtake.worker.engine;

import dev.longtake.common.error.LongtakeException;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * How a rank of a job exchanges activations with its peers. All ranks call {@link #allToAll} equally often and in the
 * same order; the calls of one rank come from one thread.
 */
public interface Exchange extends AutoCloseable {
  /** A gang of one: there is nobody to exchange with. */
  static Exchange solo() {
    return SoloExchange.INSTANCE;
  }

  /** This worker's place, 0 to {@code ranks() - 1}. */
  int rank();

  /** Members of the gang. */
  int ranks();

  /**
   * Sends {@code outgoing[q]} to each peer q and fills {@code incoming[q]} with what q sent here; returns when both have
   * happened. Entries of this rank, and empty ones, are neither sent nor received.
   *
   * @param what the place in the program, for errors: {@code "step 3, before temporal_blocks.2"}
   * @throws LongtakeException PEER_LOST when a peer died or did not answer within the job's exchange timeout, naming the
   *     peer, the job and {@code what}; CHECKSUM_MISMATCH; CANCELED when the job was cancelled
   */
  void allToAll(
      @Nullable MemorySegment[] outgoing, @Nullable MemorySegment[] incoming, String what);

  /** Payload bytes sent so far. */
  long sentBytes();

  @Override
  void close();
}
