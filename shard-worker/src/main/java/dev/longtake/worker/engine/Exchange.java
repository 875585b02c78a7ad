package dev.longtake.worker.engine;

import dev.longtake.common.error.LongtakeException;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * How a rank of a job exchanges activations with its peers. What one rank sends to another and what that one receives must come
 * in the same order on both sides; the calls of one rank come from one thread at a time.
 */
public interface Exchange {
  /** A gang of one: there is nobody to exchange with. */
  static Exchange solo() {
    return SoloExchange.INSTANCE;
  }

  /** This worker's place, 0 to {@code ranks() - 1}. */
  int rank();

  /** Members of the gang. */
  int ranks();

  /**
   * Sends {@code outgoing[q]} to each peer q and fills {@code incoming[q]} with what q sent here. Returns when all has come and
   * {@code outgoing} may be written again; what was sent may still be under way. Entries of this rank, and empty ones, are neither
   * sent nor received.
   *
   * @param what the place in the program, for errors: {@code "step 3, before temporal_blocks.2"}
   * @return nanoseconds of the call in which a peer that had not come to this point was waited for; the rest was transfer
   * @throws LongtakeException PEER_LOST when a peer died or did not answer within the job's exchange timeout, naming the
   *     peer, the job and {@code what}; CHECKSUM_MISMATCH; CANCELED when the job was cancelled
   */
  default long allToAll(
      @Nullable MemorySegment[] outgoing, @Nullable MemorySegment[] incoming, String what) {
    try (ExchangePoint point = begin(outgoing, incoming, what)) {
      return point.await();
    }
  }

  /**
   * Begins what {@link #allToAll} does, for a caller who writes {@code outgoing} piece by piece: the first pieces travel while the
   * next ones are written.
   *
   * @throws LongtakeException when the exchange has failed before
   */
  ExchangePoint begin(
      @Nullable MemorySegment[] outgoing, @Nullable MemorySegment[] incoming, String what);

  /** The other ranks, from the one behind this: so not all ranks turn to the same one at first. */
  default List<Integer> others() {
    return IntStream.range(1, ranks()).mapToObj(i -> (rank() + i) % ranks()).toList();
  }

  /** Sends to one peer; see {@link #allToAll}. */
  default void send(int peer, MemorySegment segment, String what) {
    @Nullable MemorySegment[] outgoing = new MemorySegment[ranks()];
    outgoing[peer] = segment;
    allToAll(outgoing, new MemorySegment[ranks()], what);
  }

  /** Receives from one peer; see {@link #allToAll}. */
  default void receive(int peer, MemorySegment segment, String what) {
    @Nullable MemorySegment[] incoming = new MemorySegment[ranks()];
    incoming[peer] = segment;
    allToAll(new MemorySegment[ranks()], incoming, what);
  }

  /** The same exchange among some of its ranks only, which are numbered 0, 1, ... in the order given; this rank is one. */
  default Exchange among(List<Integer> members) {
    return new GroupExchange(this, members);
  }
}
