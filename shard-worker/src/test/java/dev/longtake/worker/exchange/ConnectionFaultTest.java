package dev.longtake.worker.exchange;

import static dev.longtake.worker.exchange.ExchangeTransportContract.failureOf;
import static dev.longtake.worker.exchange.ExchangeTransportContract.get;
import static dev.longtake.worker.exchange.ExchangeTransportContract.receiveFrom;
import static dev.longtake.worker.exchange.ExchangeTransportContract.sendTo;
import static dev.longtake.worker.exchange.ExchangeTransportContract.until;
import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.worker.exchange.FaultyProxy.Fault;
import dev.longtake.worker.exchange.FaultyProxy.Way;
import java.time.Duration;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What the network does to a connection while rank 0 sends to rank 1, and that both workers outlive it. */
@ExtendWith(NoLeaks.class)
final class ConnectionFaultTest {
  private static final Duration LONG = Duration.ofSeconds(60);
  private static final Duration SHORT = Duration.ofSeconds(2);
  private static final int CHUNK_BYTES = 256 << 10;
  private static final int WINDOW_CHUNKS = 4;

  /** More than a window, and more than the kernel takes without a reader. */
  private static final int BYTES = 100 * CHUNK_BYTES;

  private static final int MID_SECOND_CHUNK = CHUNK_BYTES + CHUNK_BYTES / 2;

  private final ExecutorService engines = Executors.newCachedThreadPool();

  @AfterEach
  void stopEngines() throws InterruptedException {
    engines.shutdownNow();
    assertThat(engines.awaitTermination(20, TimeUnit.SECONDS)).isTrue();
  }

  private static LoopbackWorkers workers(Duration peerTimeout) {
    return new LoopbackWorkers(2, settings(peerTimeout));
  }

  private static ExchangeSettings settings(Duration peerTimeout) {
    return new ExchangeSettings(CHUNK_BYTES, WINDOW_CHUNKS, 1, false, peerTimeout, LONG, 64);
  }

  private Future<LongtakeException> sending(FaultyPair pair) {
    return engines.submit(
        () -> failureOf(() -> sendTo(pair.gang(0).lane(0), 1, new byte[BYTES], "step 3")));
  }

  private Future<LongtakeException> receiving(FaultyPair pair) {
    return engines.submit(() -> failureOf(() -> receiveFrom(pair.gang(1).lane(0), 0, BYTES)));
  }

  private static void assertLost(Future<LongtakeException> end, String peer, String step) {
    LongtakeException failure = get(end);
    assertThat(failure.code()).isEqualTo(ErrorCode.PEER_LOST);
    assertThat(failure).hasMessageContaining(peer + " (job j1, attempt 1, " + step + ")");
  }

  @ParameterizedTest
  @CsvSource({"TO_SERVER, 1", "TO_CLIENT, 1", "TO_SERVER, 3", "TO_CLIENT, 3"})
  void shouldNamePeerJobAndStepWhenConnectionIsResetInMidChunk(Way way, int connections) {
    // What comes back are credits of a few bytes each.
    var fault = new Fault.Reset(way, way == Way.TO_SERVER ? MID_SECOND_CHUNK : 400);
    var settings = settings(LONG).withConnections(connections);
    try (var workers = new LoopbackWorkers(2, settings)) {
      try (var pair = new FaultyPair(workers, "j1", 1, 1, LONG, fault)) {
        var sending = sending(pair);
        var receiving = receiving(pair);
        assertLost(sending, pair.nameOf(1), "step 3");
        assertLost(receiving, pair.nameOf(0), "step 7");
        assertThat(pair.fromZero().hasStruck()).isTrue();
      }
      FaultyPair.assertServesNextJob(workers);
    }
  }

  @Test
  void shouldNamePeerJobAndStepWhenNetworkIsCutInMidChunk() {
    try (var workers = workers(SHORT)) {
      var fault = new Fault.Cut(Way.TO_SERVER, MID_SECOND_CHUNK);
      try (var pair = new FaultyPair(workers, "j1", 1, 1, LONG, fault)) {
        // Both are connected: what is told is how long a peer that has answered was silent.
        for (int rank = 0; rank < 2; rank++) {
          sendTo(pair.gang(rank).lane(0), 1 - rank, new byte[1], "step 2");
          assertThat(receiveFrom(pair.gang(1 - rank).lane(0), rank, 1)).hasSize(1);
        }
        var sending = sending(pair);
        var receiving = receiving(pair);
        until(pair.fromZero()::hasStruck);
        pair.fromOne().cut();
        assertLost(sending, pair.nameOf(1), "step 3");
        assertLost(receiving, pair.nameOf(0), "step 7");
        assertThat(get(sending)).hasMessageContaining("no sign of life for 2.0 s");
        assertThat(get(receiving)).hasMessageContaining("no sign of life for 2.0 s");
      }
      FaultyPair.assertServesNextJob(workers);
    }
  }

  /** The receiver hears from the sender all the time, just no chunks: it is the sender who finds out, and tells. */
  @Test
  void shouldTellReceiverWhenOnlySendersConnectionIsCut() {
    try (var workers = workers(SHORT)) {
      var fault = new Fault.Cut(Way.TO_SERVER, MID_SECOND_CHUNK);
      try (var pair = new FaultyPair(workers, "j1", 1, 1, LONG, fault)) {
        var sending = sending(pair);
        var receiving = receiving(pair);
        assertLost(sending, pair.nameOf(1), "step 3");
        assertLost(receiving, pair.nameOf(0), "step 7");
        assertThat(get(receiving))
            .hasMessageContaining("it gave up: Expected")
            .hasMessageContaining("no sign of life for 2.0 s");
      }
      FaultyPair.assertServesNextJob(workers);
    }
  }

  @Test
  void shouldHoldSenderByItsCreditsWhenReceiverLivesButDoesNotRead() {
    try (var workers = workers(LONG)) {
      var fault = new Fault.Hold(Way.TO_SERVER, MID_SECOND_CHUNK);
      try (var pair = new FaultyPair(workers, "j1", 1, 1, SHORT, fault)) {
        var sending = sending(pair);
        assertLost(sending, pair.nameOf(1), "step 3");
        assertThat(get(sending)).hasMessageContaining("nothing came from it for 2.0 s");
        assertThat(pair.gang(0).sentBytesByRank().get(1)).isEqualTo(WINDOW_CHUNKS * CHUNK_BYTES);
        assertThat(pair.gang(1).queuedChunks()).isLessThanOrEqualTo(1);
      }
      FaultyPair.assertServesNextJob(workers);
    }
  }

  /** What the network held back of an attempt arrives when the next one is under way. */
  @Test
  void shouldKeepLateBytesOutWhenTheirAttemptWasReplaced() {
    try (var workers = workers(LONG)) {
      var fault = new Fault.Hold(Way.TO_SERVER, MID_SECOND_CHUNK);
      try (var replaced = new FaultyPair(workers, "j1", 1, 1, LONG, fault)) {
        sendTo(replaced.gang(0).lane(0), 1, new byte[CHUNK_BYTES], "step 2");
        until(() -> replaced.gang(1).queuedChunks() == 1);
        var sending = sending(replaced);
        until(replaced.fromZero()::hasStruck);
        try (var pair = new FaultyPair(workers, "j1", 2, 1, LONG, Fault.none())) {
          assertThat(get(sending).code()).isEqualTo(ErrorCode.STALE_ATTEMPT);
          assertThat(workers.hub(1).droppedChunks()).isEqualTo(1);
          byte[] bytes = ExchangeTransportContract.content(2, 0, 0, 1, BYTES);
          Future<?> next = engines.submit(() -> sendTo(pair.gang(0).lane(0), 1, bytes, "step 1"));
          replaced.fromZero().release();
          assertThat(receiveFrom(pair.gang(1).lane(0), 0, BYTES)).isEqualTo(bytes);
          var _ = get(next);
        }
      }
      FaultyPair.assertServesNextJob(workers);
    }
  }
}
