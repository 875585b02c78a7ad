package dev.longtake.worker.exchange;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * Two ranks of a job, each on a worker of its own, with a network between them. A fault strikes on the connection that rank 0 opened;
 * the one of rank 1 is whole.
 */
final class FaultyPair implements AutoCloseable {
  private final FaultyProxy fromZero;
  private final FaultyProxy fromOne;
  private final GrpcGang zero;
  private final GrpcGang one;

  /**
   * Opens both exchanges.
   *
   * @param timeout how long the silence of a peer is borne
   */
  FaultyPair(
      LoopbackWorkers workers,
      String job,
      long attempt,
      int lanes,
      Duration timeout,
      FaultyProxy.Fault fault) {
    fromZero = new FaultyProxy(workers.address(1), fault);
    fromOne = new FaultyProxy(workers.address(0), FaultyProxy.Fault.none());
    List<String> gang = List.of(fromOne.address(), fromZero.address());
    zero = workers.hub(0).open(job, attempt, 0, GangMember.at(gang), lanes, timeout);
    one = workers.hub(1).open(job, attempt, 1, GangMember.at(gang), lanes, timeout);
  }

  /** On the way from rank 0 to rank 1, on which the fault strikes. */
  FaultyProxy fromZero() {
    return fromZero;
  }

  /** On the way from rank 1 to rank 0. */
  FaultyProxy fromOne() {
    return fromOne;
  }

  GrpcGang gang(int rank) {
    return rank == 0 ? zero : one;
  }

  /** How errors of the other rank name it. */
  String nameOf(int rank) {
    return "rank %d at %s".formatted(rank, (rank == 0 ? fromOne : fromZero).address());
  }

  /** Workers that had a fault do a job as if nothing had been. */
  static void assertServesNextJob(LoopbackWorkers workers) {
    var random = new SplittableRandom(20261126L);
    byte[][] sent = new byte[2][20_000];
    byte[][] got = new byte[2][20_000];
    for (byte[] bytes : sent) {
      random.nextBytes(bytes);
    }
    List<String> gang = workers.addresses();
    Duration timeout = Duration.ofSeconds(60);
    ExecutorService engine = Executors.newSingleThreadExecutor();
    try (var zero = workers.hub(0).open("the next job", 1, 0, GangMember.at(gang), 1, timeout);
        var one = workers.hub(1).open("the next job", 1, 1, GangMember.at(gang), 1, timeout)) {
      Future<?> other =
          engine.submit(() -> ExchangeTransportContract.swap(one.lane(0), 0, sent[1], got[1]));
      ExchangeTransportContract.swap(zero.lane(0), 1, sent[0], got[0]);
      var _ = ExchangeTransportContract.get(other);
      assertThat(got[0]).isEqualTo(sent[1]);
      assertThat(got[1]).isEqualTo(sent[0]);
    } finally {
      engine.shutdownNow();
    }
  }

  @Override
  public void close() {
    zero.close();
    one.close();
    fromZero.close();
    fromOne.close();
  }
}
