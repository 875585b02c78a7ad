package dev.longtake.worker.exchange;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.worker.engine.Exchange;
import dev.longtake.worker.engine.ExchangePoint;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What every transport of the exchange must do. Subclasses say how a gang is made. */
@ExtendWith(NoLeaks.class)
abstract class ExchangeTransportContract {
  /** Small, so that payloads of a few KiB exceed the window. */
  static final int CHUNK_BYTES = 512;

  static final int WINDOW_CHUNKS = 4;
  static final int WINDOW_BYTES = CHUNK_BYTES * WINDOW_CHUNKS;
  static final Duration LONG = Duration.ofSeconds(60);
  static final Duration SHORT = Duration.ofMillis(400);

  /** Ranks of one job on transports of their own. */
  interface Gang extends AutoCloseable {
    Exchange exchange(int rank);

    /** A second lane of the same job. */
    Exchange otherLane(int rank);

    /** Payload bytes that the rank has sent. */
    long sentBytes(int rank);

    /** The rank has done its part. */
    void leave(int rank);

    /** How errors name the rank. */
    String nameOf(int rank);

    /** As if the rank's process had died. */
    void kill(int rank);

    /** As if the rank had failed by itself. */
    void abort(int rank, LongtakeException reason);

    /** Payload that arrived at the rank and was not consumed. */
    long queuedBytes(int rank);

    /** The most that the rank held at once of what was under way. */
    long peakBytes(int rank);

    /** Closes every exchange and transport; fails when something is left. */
    @Override
    void close();
  }

  /** A gang with {@link #CHUNK_BYTES} and {@link #WINDOW_CHUNKS}. */
  abstract Gang gang(int ranks, Duration timeout);

  private final ExecutorService engines = Executors.newCachedThreadPool();

  @AfterEach
  void stopEngines() throws InterruptedException {
    engines.shutdownNow();
    assertThat(engines.awaitTermination(20, TimeUnit.SECONDS)).isTrue();
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 5})
  void shouldDeliverEveryByteWhenSizesAreRandom(int ranks) throws Exception {
    long seed = 20261101L + ranks;
    int rounds = 40;
    try (Gang gang = gang(ranks, LONG)) {
      allRanks(
          ranks,
          rank -> {
            for (int round = 0; round < rounds; round++) {
              exchangeAndVerify(gang.exchange(rank), seed, round, 3 * WINDOW_BYTES);
            }
            return null;
          });
      for (int rank = 0; rank < ranks; rank++) {
        long expected = 0;
        for (int round = 0; round < rounds; round++) {
          for (int to = 0; to < ranks; to++) {
            expected += to == rank ? 0 : sizeOf(seed, round, rank, to, 3 * WINDOW_BYTES);
          }
        }
        assertThat(gang.sentBytes(rank)).as("seed %d, rank %d", seed, rank).isEqualTo(expected);
        assertThat(gang.exchange(rank).ranks()).isEqualTo(ranks);
        assertThat(gang.queuedBytes(rank)).isZero();
        assertThat(gang.peakBytes(rank))
            .as("a window to each peer and one from each")
            .isBetween(ranks == 1 ? 0L : 1L, 2L * (ranks - 1) * WINDOW_BYTES);
      }
    }
  }

  @Test
  void shouldNotDeadlockWhenBothSidesSendManyWindowsAtOnce() throws Exception {
    int bytes = 200 * WINDOW_BYTES + 7;
    try (Gang gang = gang(2, LONG)) {
      allRanks(
          2,
          rank -> {
            byte[] mine = content(1, 0, rank, 1 - rank, bytes);
            byte[] got = new byte[bytes];
            swap(gang.exchange(rank), 1 - rank, mine, got);
            assertThat(got).isEqualTo(content(1, 0, 1 - rank, rank, bytes));
            return null;
          });
    }
  }

  @Test
  void shouldLetCallerReuseBuffersWhenCallReturned() throws Exception {
    try (Gang gang = gang(2, LONG)) {
      allRanks(
          2,
          rank -> {
            byte[] buffer = new byte[10 * WINDOW_BYTES];
            byte[] got = new byte[buffer.length];
            for (byte round = 1; round <= 20; round++) {
              Arrays.fill(buffer, (byte) (10 * rank + round));
              swap(gang.exchange(rank), 1 - rank, buffer, got);
              Arrays.fill(buffer, (byte) -1);
              assertThat(got).containsOnly((byte) (10 * (1 - rank) + round));
            }
            return null;
          });
    }
  }

  @Test
  void shouldSendWhatIsReadyWhenTheRestIsStillWritten() throws Exception {
    byte[] all = content(1, 0, 0, 1, 3 * CHUNK_BYTES);
    try (Gang gang = gang(2, LONG);
        Arena arena = Arena.ofShared()) {
      MemorySegment out = arena.allocate(all.length);
      try (ExchangePoint point =
          gang.exchange(0).begin(new MemorySegment[] {null, out}, new MemorySegment[2], "step 1")) {
        MemorySegment.copy(MemorySegment.ofArray(all), 0, out, 0, 2 * CHUNK_BYTES - 1);
        point.ready(1, 2 * CHUNK_BYTES - 1);
        until(() -> gang.queuedBytes(1) == CHUNK_BYTES);
        Future<byte[]> received =
            engines.submit(() -> receiveFrom(gang.exchange(1), 0, all.length));
        assertThat(gang.sentBytes(0)).isEqualTo(CHUNK_BYTES);
        out.copyFrom(MemorySegment.ofArray(all));
        assertThat(point.await()).isNotNegative();
        assertThat(get(received)).isEqualTo(all);
      }
    }
  }

  @Test
  void shouldFailTheGangWhenAnExchangeIsLeftInTheMiddle() {
    byte[] half = new byte[2 * WINDOW_BYTES];
    try (Gang gang = gang(2, LONG)) {
      Future<LongtakeException> peer =
          engines.submit(() -> failureOf(() -> receiveFrom(gang.exchange(1), 0, 2 * half.length)));
      try (Arena arena = Arena.ofShared();
          ExchangePoint point =
              gang.exchange(0)
                  .begin(
                      new MemorySegment[] {null, arena.allocate(2L * half.length)},
                      new MemorySegment[2],
                      "step 1")) {
        point.ready(1, half.length);
        until(() -> gang.sentBytes(0) == half.length);
        assertThat(failureOf(() -> point.ready(1, half.length - 1)))
            .as("what goes wrong is told at the end")
            .isNull();
      }
      // The memory is freed: whoever read it now would end the process.
      assertThat(failureOf(() -> receiveFrom(gang.exchange(0), 1, 1)))
          .hasMessageContaining("Expected %d to %d bytes".formatted(half.length, 2 * half.length));
      assertThat(get(peer)).hasMessageContaining(gang.nameOf(0));
    }
  }

  @Test
  void shouldHoldNoMoreThanWindowWhenReceiverIsSlow() {
    try (Gang gang = gang(2, SHORT)) {
      LongtakeException failure =
          failureOf(() -> sendTo(gang.exchange(0), 1, new byte[50 * WINDOW_BYTES], "step 1"));
      assertThat(failure.code()).isEqualTo(ErrorCode.PEER_LOST);
      assertThat(gang.sentBytes(0)).isEqualTo(WINDOW_BYTES);
      assertThat(gang.queuedBytes(1)).isEqualTo(WINDOW_BYTES);
      assertThat(gang.peakBytes(0)).isEqualTo(WINDOW_BYTES);
    }
  }

  @Test
  void shouldNamePeerAndPlaceWhenPeerIsFrozen() {
    try (Gang gang = gang(3, SHORT)) {
      Future<LongtakeException> other =
          engines.submit(() -> failureOf(() -> receiveFrom(gang.exchange(2), 1, 100)));
      LongtakeException failure = failureOf(() -> receiveFrom(gang.exchange(0), 1, 100));
      assertThat(failure.code()).isEqualTo(ErrorCode.PEER_LOST);
      assertThat(failure)
          .hasMessageContaining(gang.nameOf(1))
          .hasMessageContaining("job j1, attempt 1, step 7")
          .hasMessageContaining("bytes 0 to 100")
          .hasMessageContaining("nothing came from it for 0.4 s");
      assertThat(failure.getMessage().lines()).hasSize(1);
      assertThat(get(other)).hasMessageContaining(gang.nameOf(1));
    }
  }

  @Test
  void shouldFailAllRanksNamingTheDeadWhenOneIsKilledInMidExchange() {
    try (Gang gang = gang(3, LONG)) {
      byte[] much = new byte[50 * WINDOW_BYTES];
      List<Future<LongtakeException>> failures = new ArrayList<>();
      for (int rank = 0; rank < 2; rank++) {
        Exchange exchange = gang.exchange(rank);
        failures.add(engines.submit(() -> failureOf(() -> sendTo(exchange, 2, much, "step 3"))));
      }
      until(() -> gang.queuedBytes(2) == 2 * WINDOW_BYTES);
      gang.kill(2);
      for (Future<LongtakeException> future : failures) {
        LongtakeException failure = get(future);
        assertThat(failure.code()).isEqualTo(ErrorCode.PEER_LOST);
        assertThat(failure).hasMessageContaining(gang.nameOf(2)).hasMessageContaining("step 3");
      }
      assertThat(failureOf(() -> receiveFrom(gang.exchange(0), 1, 1)).code())
          .isEqualTo(ErrorCode.PEER_LOST);
    }
  }

  @Test
  void shouldTellTheReasonToOthersWhenARankGivesUp() {
    try (Gang gang = gang(2, LONG)) {
      Future<LongtakeException> waiting =
          engines.submit(() -> failureOf(() -> receiveFrom(gang.exchange(0), 1, 100)));
      gang.abort(
          1, new LongtakeException(ErrorCode.OUT_OF_MEMORY, "Expected 8 GiB, but 2 are free"));
      LongtakeException failure = get(waiting);
      assertThat(failure.code()).isEqualTo(ErrorCode.PEER_LOST);
      assertThat(failure)
          .hasMessageContaining(gang.nameOf(1))
          .hasMessageContaining("Expected 8 GiB, but 2 are free");
    }
  }

  @Test
  void shouldFailWithCanceledWhenClosedInMidExchange() {
    try (Gang gang = gang(2, LONG)) {
      Future<LongtakeException> waiting =
          engines.submit(
              () -> failureOf(() -> sendTo(gang.exchange(0), 1, new byte[9 * WINDOW_BYTES], "s")));
      until(() -> gang.queuedBytes(1) == WINDOW_BYTES);
      gang.leave(0);
      assertThat(get(waiting).code()).isEqualTo(ErrorCode.CANCELED);
      gang.leave(0);
    }
  }

  @Test
  void shouldNotDisturbPeersWhenARankClosesAfterItsLastExchange() throws Exception {
    for (int round = 0; round < 20; round++) {
      try (Gang gang = gang(3, LONG)) {
        allRanks(
            3,
            rank -> {
              // Only rank 0 has data: the others are done, and close, while it still collects
              // acknowledgements.
              if (rank == 0) {
                MemorySegment[] out = new MemorySegment[3];
                out[1] = MemorySegment.ofArray(new byte[3 * WINDOW_BYTES]);
                out[2] = MemorySegment.ofArray(new byte[5 * WINDOW_BYTES]);
                gang.exchange(0).allToAll(out, new MemorySegment[3], "the last point");
              } else {
                receiveFrom(gang.exchange(rank), 0, (rank == 1 ? 3 : 5) * WINDOW_BYTES);
              }
              gang.leave(rank);
              return null;
            });
      }
    }
  }

  @Test
  void shouldSayThatPeerLeftWhenMoreIsAwaitedFromIt() {
    try (Gang gang = gang(2, LONG)) {
      gang.leave(1);
      LongtakeException failure = failureOf(() -> receiveFrom(gang.exchange(0), 1, 10));
      assertThat(failure.code()).isEqualTo(ErrorCode.PEER_LOST);
      assertThat(failure).hasMessageContaining(gang.nameOf(1));
    }
  }

  /** Small messages are not waited for, so some may be lost on a peer that has left, but no more than a window of them. */
  @Test
  void shouldSayThatPeerLeftWhenSmallMessagesGoToIt() {
    try (Gang gang = gang(2, LONG)) {
      gang.leave(1);
      LongtakeException failure =
          failureOf(() -> {
            for (int message = 0; message <= WINDOW_CHUNKS; message++) {
              sendTo(gang.exchange(0), 1, new byte[3], "step 4");
            }
          });
      assertThat(failure).isNotNull();
      assertThat(failure.code()).isEqualTo(ErrorCode.PEER_LOST);
      assertThat(failure).hasMessageContaining(gang.nameOf(1)).hasMessageContaining("step 4");
    }
  }

  @Test
  void shouldExchangeInOneLaneWhileAnotherWaits() {
    try (Gang gang = gang(2, LONG)) {
      Future<byte[]> waiting = engines.submit(() -> receiveFrom(gang.exchange(0), 1, 7));
      Future<byte[]> other =
          engines.submit(() -> receiveFrom(gang.otherLane(0), 1, 3 * WINDOW_BYTES));
      sendTo(gang.otherLane(1), 0, new byte[3 * WINDOW_BYTES], "step 1");
      assertThat(get(other)).hasSize(3 * WINDOW_BYTES);
      assertThat(waiting.isDone()).isFalse();
      sendTo(gang.exchange(1), 0, new byte[7], "step 1");
      assertThat(get(waiting)).hasSize(7);
    }
  }

  @Test
  void shouldFailEveryLaneWhenOneFails() {
    try (Gang gang = gang(2, LONG)) {
      Future<LongtakeException> waiting =
          engines.submit(() -> failureOf(() -> receiveFrom(gang.otherLane(0), 1, 7)));
      gang.abort(0, new LongtakeException(ErrorCode.OUT_OF_MEMORY, "Expected 8 GiB"));
      assertThat(get(waiting).code()).isEqualTo(ErrorCode.OUT_OF_MEMORY);
    }
  }

  @Test
  void shouldCountPointsOfEachPairWhenRanksExchangeWithSomeOnly() {
    try (Gang gang = gang(3, LONG)) {
      sendFirstFromZeroToOne(gang);
      Future<byte[]> two = engines.submit(() -> receiveFrom(gang.exchange(2), 1, 5));
      sendTo(gang.exchange(1), 2, new byte[5], "step 1");
      assertThat(get(two)).hasSize(5);
    }
  }

  private void sendFirstFromZeroToOne(Gang gang) {
    for (int round = 0; round < 3; round++) {
      Future<byte[]> one = engines.submit(() -> receiveFrom(gang.exchange(1), 0, 9));
      sendTo(gang.exchange(0), 1, new byte[9], "step 1");
      assertThat(get(one)).hasSize(9);
    }
  }

  @Test
  void shouldRefuseWhenSegmentsDontMatchRanks() {
    try (Gang gang = gang(2, LONG)) {
      assertThat(
              failureOf(() ->
                      gang.exchange(0).allToAll(new MemorySegment[1], new MemorySegment[2], "s"))
                  .code())
          .isEqualTo(ErrorCode.INTERNAL);
    }
  }

  // ---- How the tests talk to an exchange.

  interface RankWork {
    @Nullable Void run(int rank) throws Exception;
  }

  void allRanks(int ranks, RankWork work) throws Exception {
    List<Callable<@Nullable Void>> tasks = new ArrayList<>();
    for (int r = 0; r < ranks; r++) {
      int rank = r;
      tasks.add(() -> work.run(rank));
    }
    for (Future<@Nullable Void> done : engines.invokeAll(tasks, 120, TimeUnit.SECONDS)) {
      done.get();
    }
  }

  /**
   * One exchange with native memory, sizes and content following from the seed; about one part in five is empty. In every third
   * round what is sent is written while it leaves.
   */
  static void exchangeAndVerify(Exchange exchange, long seed, int round, int maxBytes) {
    int ranks = exchange.ranks();
    int rank = exchange.rank();
    var out = new @Nullable MemorySegment[ranks];
    var in = new @Nullable MemorySegment[ranks];
    try (Arena arena = Arena.ofShared()) {
      for (int other = 0; other < ranks; other++) {
        int outSize = sizeOf(seed, round, rank, other, maxBytes);
        int inSize = sizeOf(seed, round, other, rank, maxBytes);
        // Absent and empty mean the same.
        out[other] = outSize == 0 && round % 2 == 0 ? null : arena.allocate(outSize);
        in[other] = inSize == 0 && round % 2 == 1 ? null : arena.allocate(inSize);
        MemorySegment target = out[other];
        if (target != null && round % 3 != 0) {
          target.copyFrom(MemorySegment.ofArray(content(seed, round, rank, other, outSize)));
        }
      }
      if (round % 3 == 0) {
        exchangeInPieces(exchange, seed, round, out, in);
      } else {
        exchange.allToAll(out, in, "round " + round);
      }
      for (int other = 0; other < ranks; other++) {
        MemorySegment got = in[other];
        if (got != null && other != rank) {
          assertThat(got.toArray(ValueLayout.JAVA_BYTE))
              .as("seed %d, round %d, from %d to %d", seed, round, other, rank)
              .isEqualTo(content(seed, round, other, rank, (int) got.byteSize()));
        }
      }
    }
  }

  private static void exchangeInPieces(
      Exchange exchange,
      long seed,
      int round,
      @Nullable MemorySegment[] out,
      @Nullable MemorySegment[] in) {
    var random = new SplittableRandom(seed + round);
    try (ExchangePoint point = exchange.begin(out, in, "round " + round)) {
      for (int other : exchange.others()) {
        MemorySegment target = out[other];
        if (target != null) {
          int size = (int) target.byteSize();
          MemorySegment all =
              MemorySegment.ofArray(content(seed, round, exchange.rank(), other, size));
          for (int done = 0; done < size; ) {
            int bytes = Math.min(size - done, 1 + random.nextInt(2 * CHUNK_BYTES));
            MemorySegment.copy(all, done, target, done, bytes);
            done += bytes;
            point.ready(other, done);
          }
        }
      }
      assertThat(point.await()).isNotNegative();
    }
  }

  static int sizeOf(long seed, int round, int from, int to, int maxBytes) {
    var random = new SplittableRandom(seed + 1_000_003L * round + 1009L * from + to);
    return random.nextInt(5) == 0 ? 0 : random.nextInt(maxBytes);
  }

  static byte[] content(long seed, int round, int from, int to, int size) {
    byte[] bytes = new byte[size];
    new SplittableRandom(~seed + 1_000_003L * round + 1009L * from + to).nextBytes(bytes);
    return bytes;
  }

  static void swap(Exchange exchange, int peer, byte[] send, byte[] receive) {
    MemorySegment[] out = new MemorySegment[exchange.ranks()];
    MemorySegment[] in = new MemorySegment[exchange.ranks()];
    out[peer] = MemorySegment.ofArray(send);
    in[peer] = MemorySegment.ofArray(receive);
    exchange.allToAll(out, in, "a swap");
  }

  static void sendTo(Exchange exchange, int peer, byte[] bytes, String what) {
    MemorySegment[] out = new MemorySegment[exchange.ranks()];
    out[peer] = MemorySegment.ofArray(bytes);
    exchange.allToAll(out, new MemorySegment[exchange.ranks()], what);
  }

  static byte[] receiveFrom(Exchange exchange, int peer, int size) {
    byte[] bytes = new byte[size];
    MemorySegment[] in = new MemorySegment[exchange.ranks()];
    in[peer] = MemorySegment.ofArray(bytes);
    exchange.allToAll(new MemorySegment[exchange.ranks()], in, "step 7");
    return bytes;
  }

  static LongtakeException failureOf(Runnable call) {
    return catchThrowableOfType(LongtakeException.class, call::run);
  }

  static <T> T get(Future<T> future) {
    try {
      return future.get(60, TimeUnit.SECONDS);
    } catch (Exception e) {
      throw new AssertionError("Expected an end within 60 s", e);
    }
  }

  /** Waits for something other threads do; the deadline only bounds a failing test. */
  static void until(BooleanSupplier condition) {
    long start = System.nanoTime();
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() - start > Duration.ofSeconds(60).toNanos()) {
        throw new AssertionError("Expected the condition to hold within 60 s");
      }
      Thread.onSpinWait();
    }
  }
}
