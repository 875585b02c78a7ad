package dev.longtake.worker.engine;

import java.util.List;

/**
 * The exchanges of one job on one rank. Parts of the job that run beside each other have lanes of their own, whose exchanges do
 * not wait for one another; every rank of the gang has the same lanes.
 */
public interface GangExchange {
  /** A gang of one, with as many lanes as are asked for. */
  static GangExchange solo() {
    return new GangExchange() {
      @Override
      public int rank() {
        return 0;
      }

      @Override
      public int ranks() {
        return 1;
      }

      @Override
      public Exchange lane(int lane) {
        return Exchange.solo();
      }

      @Override
      public List<Long> sentBytesByRank() {
        return List.of(0L);
      }

      @Override
      public long peakBytes() {
        return 0;
      }

      @Override
      public void abort(Throwable cause) {}
    };
  }

  /** This worker's place in the gang. */
  int rank();

  /** Members of the gang. */
  int ranks();

  /** The exchange of a lane, from 0; one thread at a time uses each. */
  Exchange lane(int lane);

  /** Payload bytes sent so far to each rank, all lanes together. */
  List<Long> sentBytesByRank();

  /** The most payload bytes that were held at once on their way to peers and from them, beside the callers' own memory. */
  long peakBytes();

  /** Ends all exchanges: calls under way and all later ones fail. Any thread; the first cause counts. */
  void abort(Throwable cause);

  /** The sum. */
  default long sentBytes() {
    return sentBytesByRank().stream().mapToLong(Long::longValue).sum();
  }
}
