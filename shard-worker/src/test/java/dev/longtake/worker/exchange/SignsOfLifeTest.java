package dev.longtake.worker.exchange;

import static dev.longtake.worker.exchange.ExchangeTransportContract.failureOf;
import static dev.longtake.worker.exchange.ExchangeTransportContract.receiveFrom;
import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.rpc.Endpoints;
import dev.longtake.v1.ExchangeCredit;
import dev.longtake.v1.ExchangeGrpc;
import dev.longtake.v1.ExchangeMessage;
import io.grpc.Server;
import io.grpc.protobuf.services.HealthStatusManager;
import io.grpc.stub.StreamObserver;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** A peer that is slow shows that it lives; one that shows nothing is given up long before the time that a slow one has. */
final class SignsOfLifeTest {
  private static final Duration LONG = Duration.ofSeconds(60);
  private static final ExchangeSettings SETTINGS =
      ExchangeSettings.defaults().withPeerTimeout(ExchangeSettings.MIN_PEER_TIMEOUT);

  /** Takes every stream in, as a worker does, and then does nothing, as if its process stood still. */
  private static final class Silent extends ExchangeGrpc.ExchangeImplBase {
    final CompletableFuture<Integer> askedForMillis = new CompletableFuture<>();

    @Override
    public StreamObserver<ExchangeMessage> stream(StreamObserver<ExchangeCredit> credits) {
      return new StreamObserver<>() {
        @Override
        public void onNext(ExchangeMessage message) {
          askedForMillis.complete(message.getHello().getSignOfLifeMillis());
          credits.onNext(ExchangeCredit.newBuilder().setChunks(1).build());
        }

        @Override
        public void onError(Throwable t) {
          // The exchange has given up.
        }

        @Override
        public void onCompleted() {
          credits.onCompleted();
        }
      };
    }
  }

  @Test
  void shouldGiveUpPeerThatShowsNoSignOfLife() throws Exception {
    var silent = new Silent();
    ExecutorService callbacks = Executors.newCachedThreadPool();
    Server server =
        Endpoints.serve("127.0.0.1", 0, callbacks, new HealthStatusManager(), List.of(silent));
    try (var workers = new LoopbackWorkers(1, SETTINGS)) {
      String address = "127.0.0.1:" + server.getPort();
      try (GrpcGang gang =
          workers
              .hub(0)
              .open("j1", 1, 0, GangMember.at(List.of(workers.address(0), address)), 1, LONG)) {
        assertThat(ExchangeTransportContract.get(silent.askedForMillis)).isEqualTo(100);
        LongtakeException failure = failureOf(() -> receiveFrom(gang.lane(0), 1, 100));
        assertThat(failure.code()).isEqualTo(ErrorCode.PEER_LOST);
        assertThat(failure)
            .hasMessageContaining("bytes 0 to 100 from rank 1 at " + address)
            .hasMessageContaining("job j1, attempt 1, step 7")
            .hasMessageContaining("no sign of life for 0.5 s");
      }
    } finally {
      server.shutdownNow();
      assertThat(server.awaitTermination(20, TimeUnit.SECONDS)).isTrue();
      callbacks.shutdown();
    }
  }

  @Test
  void shouldGiveUpPeerThatNeverAnswers() throws Exception {
    // The system takes the connection, as it does for a process that stands still.
    try (var listening = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
        var workers = new LoopbackWorkers(1, SETTINGS)) {
      String address = "127.0.0.1:" + listening.getLocalPort();
      try (GrpcGang gang =
          workers
              .hub(0)
              .open("j1", 1, 0, GangMember.at(List.of(workers.address(0), address)), 1, LONG)) {
        LongtakeException failure = failureOf(() -> receiveFrom(gang.lane(0), 1, 100));
        assertThat(failure.code()).isEqualTo(ErrorCode.PEER_LOST);
        assertThat(failure)
            .hasMessageContaining("bytes 0 to 100 from rank 1 at " + address)
            .hasMessageContaining("no sign of life for 2.5 s");
      }
    }
  }

  /** Its order may come much later than a silent peer is borne. */
  @Test
  void shouldWaitForPeerThatHasNoOrderYet() {
    Duration timeout = SETTINGS.peerTimeout().multipliedBy(8);
    try (var workers = new LoopbackWorkers(2, SETTINGS);
        GrpcGang waiting =
            workers.hub(0).open("j1", 1, 0, GangMember.at(workers.addresses()), 1, timeout)) {
      awaitWaitingStream(workers.hub(1));
      LongtakeException failure = failureOf(() -> receiveFrom(waiting.lane(0), 1, 100));
      assertThat(failure).hasMessageContaining("nothing came from it for 4.0 s");
    }
  }

  private static void awaitWaitingStream(ExchangeHub hub) {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
    while (hub.waitingStreams() == 0) {
      assertThat(System.nanoTime()).as("a stream comes").isLessThan(deadline);
      Thread.onSpinWait();
    }
  }

  @Test
  void shouldWaitForSlowPeerAsLongAsItMay() {
    // Three times as long as a silent one is borne.
    Duration timeout = SETTINGS.peerTimeout().multipliedBy(3);
    try (var workers = new LoopbackWorkers(2, SETTINGS)) {
      try (GrpcGang waiting =
              workers.hub(0).open("j1", 1, 0, GangMember.at(workers.addresses()), 1, timeout);
          GrpcGang slow =
              workers.hub(1).open("j1", 1, 1, GangMember.at(workers.addresses()), 1, timeout)) {
        assertThat(slow.ranks()).isEqualTo(2);
        LongtakeException failure = failureOf(() -> receiveFrom(waiting.lane(0), 1, 100));
        assertThat(failure).hasMessageContaining("nothing came from it for 1.5 s");
      }
    }
  }

  @Test
  void shouldRefuseTimeoutOutsideOfItsLimits() {
    for (Duration wrong : List.of(Duration.ofMillis(499), Duration.ofSeconds(3601))) {
      assertThat(failureOf(() -> SETTINGS.withPeerTimeout(wrong)))
          .hasMessageContaining("of 0.5 to 3600.0 s, but got " + wrong.toMillis() / 1000.0);
    }
  }
}
