package dev.longtake.worker.exchange;

import static dev.longtake.worker.exchange.ExchangeTransportContract.content;
import static dev.longtake.worker.exchange.ExchangeTransportContract.failureOf;
import static dev.longtake.worker.exchange.ExchangeTransportContract.get;
import static dev.longtake.worker.exchange.ExchangeTransportContract.receiveFrom;
import static dev.longtake.worker.exchange.ExchangeTransportContract.sendTo;
import static dev.longtake.worker.exchange.ExchangeTransportContract.swap;
import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.worker.exchange.FaultyProxy.Fault;
import dev.longtake.worker.exchange.FaultyProxy.Way;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** One bit changes on its way, anywhere in what gRPC writes: the exchange delivers the right bytes or fails, but never others. */
@ExtendWith(NoLeaks.class)
final class FlippedBitTest {
  private static final Duration LONG = Duration.ofSeconds(60);

  /** A rank that waits for what will never come does so for that long; one that is only slow fails too, which is allowed. */
  private static final Duration SHORT = Duration.ofMillis(500);

  private static final long SEED = 20261126L;
  private static final int ROUNDS = 50;

  /** Rounds at one time: most of them wait for a timeout. */
  private static final int TOGETHER = 16;

  private static final int LANES = 3;
  private static final int CHUNK_BYTES = 64;

  /** One chunk, several chunks, more than a window, and one that is not full. */
  private static final List<Integer> POINT_BYTES = List.of(64, 150, 400, 10);

  private final ExecutorService engines = Executors.newCachedThreadPool();
  private final ExecutorService rounds = Executors.newFixedThreadPool(TOGETHER);

  @AfterEach
  void stopEngines() throws InterruptedException {
    for (ExecutorService threads : List.of(rounds, engines)) {
      threads.shutdownNow();
      assertThat(threads.awaitTermination(20, TimeUnit.SECONDS)).isTrue();
    }
  }

  @Test
  void shouldFailWithChecksumMismatchWhenPayloadIsHit() {
    var settings = new ExchangeSettings(1 << 20, 4, 1, false, LONG, LONG, 64);
    try (var workers = new LoopbackWorkers(2, settings)) {
      var fault = new Fault.Flip(Way.TO_SERVER, 700_000, 5);
      try (var pair = new FaultyPair(workers, "j1", 1, 1, LONG, fault)) {
        var receiving =
            engines.submit(() -> failureOf(() -> receiveFrom(pair.gang(1).lane(0), 0, 2 << 20)));
        LongtakeException sent =
            failureOf(() -> sendTo(pair.gang(0).lane(0), 1, new byte[2 << 20], "step 3"));
        LongtakeException received = get(receiving);
        assertThat(received.code()).isEqualTo(ErrorCode.CHECKSUM_MISMATCH);
        assertThat(received)
            .hasMessageContaining("Expected bytes 0 to 1048576 from " + pair.nameOf(0))
            .hasMessageContaining("(job j1, attempt 1, step 7)");
        assertThat(sent.code()).isEqualTo(ErrorCode.CHECKSUM_MISMATCH);
        assertThat(sent).hasMessageContaining(pair.nameOf(1) + " refused");
      }
      FaultyPair.assertServesNextJob(workers);
    }
  }

  /** Two lanes have streams 3 and 5: with two bits changed, one lane's chunk comes on the other's stream. */
  @Test
  void shouldFailWhenChunkComesOnAnotherLanesStream() {
    var settings = new ExchangeSettings(1024, 4, 1, false, LONG, LONG, 64);
    try (var workers = new LoopbackWorkers(2, settings)) {
      var fault = new Fault.Misdirect(1000, 3 ^ 5);
      try (var pair = new FaultyPair(workers, "j1", 1, 2, LONG, fault)) {
        for (int lane = 0; lane < 2; lane++) {
          sendTo(pair.gang(0).lane(lane), 1, new byte[1], "step 2");
          assertThat(receiveFrom(pair.gang(1).lane(lane), 0, 1)).hasSize(1);
        }
        sendTo(pair.gang(0).lane(0), 1, new byte[1000], "step 3");
        LongtakeException failure = failureOf(() -> receiveFrom(pair.gang(1).lane(1), 0, 1000));
        assertThat(failure)
            .hasMessageContaining(
                "from " + pair.nameOf(0) + " (job j1, attempt 1, step 7) in lane 1")
            .hasMessageContaining("but got bytes 0 to 1000 of point 1 with 1000 bytes")
            .hasMessageContaining("(job j1, attempt 1, rank 0, lane 0, step 3)");
      }
      FaultyPair.assertServesNextJob(workers);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3})
  void shouldDeliverRightBytesOrFailNamingThePeerWhenAnyBitIsHit(int connections) {
    var settings = new ExchangeSettings(CHUNK_BYTES, 4, connections, false, LONG, LONG, 1000);
    try (var workers = new LoopbackWorkers(2, settings)) {
      Map<Way, Long> lengths = lengths(workers);
      var random = new SplittableRandom(SEED + connections);
      var ends = new ArrayList<Future<?>>();
      for (int i = 0; i < ROUNDS; i++) {
        int round = i;
        Way way = random.nextInt(3) == 0 ? Way.TO_CLIENT : Way.TO_SERVER;
        var fault =
            new Fault.Flip(
                way, random.nextLong(requireNonNull(lengths.get(way))), random.nextInt(8));
        ends.add(
            rounds.submit(() -> {
              String what =
                  "seed %d, %d connections, round %d, %s"
                      .formatted(SEED, connections, round, fault);
              try (var pair = new FaultyPair(workers, "j" + round, 1, LANES, SHORT, fault)) {
                assertRightOrFailed(pair, what);
              }
            }));
      }
      ends.forEach(end -> {
        var _ = get(end);
      });
      FaultyPair.assertServesNextJob(workers);
    }
  }

  /** How many bytes go each way when all is well. */
  private Map<Way, Long> lengths(LoopbackWorkers workers) {
    var lengths = new EnumMap<Way, Long>(Way.class);
    try (var pair = new FaultyPair(workers, "whole", 1, LANES, LONG, Fault.none())) {
      assertThat(failures(pair, "no fault")).isEmpty();
      for (Way way : Way.values()) {
        lengths.put(way, pair.fromZero().forwarded(way));
      }
    }
    return lengths;
  }

  private void assertRightOrFailed(FaultyPair pair, String what) {
    for (LongtakeException failure : failures(pair, what)) {
      assertThat(failure.getMessage())
          .as("%s: %s", what, failure.code())
          .containsAnyOf(pair.nameOf(0), pair.nameOf(1));
    }
  }

  /** Both ranks go through all points in each lane. */
  private List<LongtakeException> failures(FaultyPair pair, String what) {
    var lanes = new ArrayList<Future<List<LongtakeException>>>();
    for (int rank = 0; rank < 2; rank++) {
      for (int lane = 0; lane < LANES; lane++) {
        int self = rank;
        int mine = lane;
        Callable<List<LongtakeException>> work = () -> exchange(pair, self, mine, what);
        lanes.add(engines.submit(work));
      }
    }
    return lanes.stream().flatMap(lane -> get(lane).stream()).toList();
  }

  /** Points have the same sizes in all lanes, so that only their content would tell that one came in another's place. */
  private static List<LongtakeException> exchange(
      FaultyPair pair, int rank, int lane, String what) {
    for (int point = 0; point < POINT_BYTES.size(); point++) {
      int bytes = POINT_BYTES.get(point);
      byte[] got = new byte[bytes];
      try {
        swap(
            pair.gang(rank).lane(lane),
            1 - rank,
            content(SEED + lane, point, rank, 1 - rank, bytes),
            got);
      } catch (LongtakeException e) {
        return List.of(e);
      }
      assertThat(got)
          .as("%s, rank %d, lane %d, point %d", what, rank, lane, point)
          .isEqualTo(content(SEED + lane, point, 1 - rank, rank, bytes));
    }
    return List.of();
  }
}
