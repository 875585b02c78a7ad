package dev.longtake.worker.service;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.rpc.Endpoints;
import dev.longtake.common.rpc.GrpcErrors;
import dev.longtake.v1.JoinReply;
import dev.longtake.v1.WorkerDescription;
import dev.longtake.v1.WorkerReport;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.protobuf.services.HealthStatusManager;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

final class ClusterMembershipTest {
  private static final int FIRST_FIXED_PORT = 20_411;
  private static final int LAST_FIXED_PORT = 20_499;

  private static final Duration LONG = Duration.ofSeconds(60);
  private static final WorkerDescription ME =
      WorkerDescription.newBuilder().setId("w1").setAddress("127.0.0.1:7401").build();

  private final ExecutorService callbacks = Executors.newCachedThreadPool();
  private final FakeCoordinator coordinator = new FakeCoordinator();
  private @Nullable Server server;

  @AfterEach
  void stop() throws InterruptedException {
    stopServer();
    callbacks.shutdown();
    assertThat(callbacks.awaitTermination(20, TimeUnit.SECONDS)).isTrue();
    assertThat(Thread.getAllStackTraces().keySet())
        .as("no membership thread is left")
        .noneMatch(thread -> thread.getName().equals("lt-membership"));
  }

  private void stopServer() throws InterruptedException {
    if (server != null) {
      server.shutdownNow();
      assertThat(server.awaitTermination(20, TimeUnit.SECONDS)).isTrue();
    }
  }

  private String startServer(int port) {
    Server started =
        Endpoints.serve(
            "127.0.0.1", port, callbacks, new HealthStatusManager(), List.of(coordinator));
    server = started;
    return "127.0.0.1:" + started.getPort();
  }

  /**
   * Starts on a port that can be had again. It is below those that the system gives to outgoing connections: a worker that tries to
   * reach one of these while nobody listens there may be given the very port it calls, and then talks to itself and holds it.
   */
  private String startServerToRestart() {
    for (int port = FIRST_FIXED_PORT; ; port++) {
      try {
        return startServer(port);
      } catch (LongtakeException e) {
        if (port == LAST_FIXED_PORT) {
          throw e;
        }
      }
    }
  }

  private static ClusterMembership join(String address, Duration firstJoinTimeout) {
    return join(List.of(address), firstJoinTimeout);
  }

  private static ClusterMembership join(List<String> addresses, Duration firstJoinTimeout) {
    return ClusterMembership.join(
        addresses,
        /* tls= */ null,
        /* apiKey= */ "",
        WorkerReport.newBuilder().setDescription(ME).build(),
        WorkerReport::getDefaultInstance,
        new MembershipSettings(firstJoinTimeout, Duration.ofMillis(10), Duration.ofMillis(100)),
        new Random(7));
  }

  private static <T> T take(LinkedBlockingQueue<T> queue) throws InterruptedException {
    T value = queue.poll(60, TimeUnit.SECONDS);
    if (value == null) {
      throw new AssertionError("Expected something within 60 s");
    }
    return value;
  }

  private static Throwable refusal(ErrorCode code) {
    return GrpcErrors.toStatus(new LongtakeException(code, "Expected something else"));
  }

  @Test
  void shouldDescribeItselfAndSendHeartbeatsWhenJoined() throws Exception {
    String address = startServer(0);
    try (var membership = join(address, LONG)) {
      assertThat(take(coordinator.joins).getDescription()).isEqualTo(ME);
      for (int i = 0; i < 3; i++) {
        assertThat(take(coordinator.heartbeats)).isEqualTo(WorkerReport.getDefaultInstance());
      }
      assertThat(membership.refused()).isNotDone();
    }
    assertThat(take(coordinator.left)).isEqualTo("in order");
  }

  @Test
  void shouldReportAheadOfTheNextHeartbeatWhenAsked() throws Exception {
    coordinator.heartbeatSeconds = 3600;
    String address = startServer(0);
    try (var membership = join(address, LONG)) {
      take(coordinator.joins);
      membership.reportSoon();
      assertThat(take(coordinator.heartbeats)).isEqualTo(WorkerReport.getDefaultInstance());
    }
  }

  @Test
  void shouldSayWhenTheCoordinatorTellsItToLeave() throws Exception {
    String address = startServer(0);
    try (var membership = join(address, LONG)) {
      take(coordinator.joins);
      take(coordinator.heartbeats);
      assertThat(membership.toldToLeave()).isNotDone();
      take(coordinator.replies).onNext(JoinReply.newBuilder().setLeave(true).build());
      membership.toldToLeave().get(60, TimeUnit.SECONDS);
      // It is up to the worker to go; its heartbeats go on until then.
      coordinator.heartbeats.clear();
      take(coordinator.heartbeats);
    }
  }

  @Test
  void shouldJoinAgainWhenCoordinatorRestarts() throws Exception {
    String address = startServerToRestart();
    try (var membership = join(address, LONG)) {
      take(coordinator.joins);
      stopServer();
      coordinator.heartbeats.clear();
      startServer(Integer.parseInt(address.substring(address.indexOf(':') + 1)));
      assertThat(take(coordinator.joins).getDescription()).isEqualTo(ME);
      take(coordinator.heartbeats);
      assertThat(membership.refused()).isNotDone();
    }
  }

  @Test
  void shouldJoinTheCoordinatorThatLeadsWhenThereAreSeveral() throws Exception {
    String first = startServer(0);
    var other = new FakeCoordinator();
    Server otherServer =
        Endpoints.serve("127.0.0.1", 0, callbacks, new HealthStatusManager(), List.of(other));
    try {
      coordinator.refusals.add(refusal(ErrorCode.NOT_LEADER));
      try (var membership = join(List.of(first, "127.0.0.1:" + otherServer.getPort()), LONG)) {
        assertThat(take(other.joins).getDescription()).isEqualTo(ME);
        take(other.heartbeats);
        assertThat(coordinator.joins).as("asked first").hasSize(1);

        // The one that led stands by, and says so.
        take(other.replies).onError(refusal(ErrorCode.NOT_LEADER));

        take(coordinator.joins);
        take(coordinator.joins);
        take(coordinator.heartbeats);
        assertThat(membership.refused()).isNotDone();
      }
    } finally {
      otherServer.shutdownNow();
      assertThat(otherServer.awaitTermination(20, TimeUnit.SECONDS)).isTrue();
    }
  }

  @Test
  void shouldSayThatNoneLeadsWhenAllAreStandbys() {
    String address = startServer(0);
    for (int i = 0; i < 1000; i++) {
      coordinator.refusals.add(refusal(ErrorCode.NOT_LEADER));
    }
    var failure =
        catchThrowableOfType(LongtakeException.class, () -> join(address, Duration.ofMillis(300)));
    assertThat(failure.code()).isEqualTo(ErrorCode.UNREACHABLE);
    assertThat(failure)
        .hasMessageContaining("leads at " + address)
        .hasMessageContaining("--coordinator A,B");
  }

  @Test
  void shouldBearItsOldSelfWhenIdIsStillInUseOnTheWayBack() throws Exception {
    String address = startServerToRestart();
    try (var membership = join(address, LONG)) {
      take(coordinator.joins);
      coordinator.refusals.add(refusal(ErrorCode.WORKER_ID_IN_USE));
      stopServer();
      startServer(Integer.parseInt(address.substring(address.indexOf(':') + 1)));
      take(coordinator.joins);
      take(coordinator.joins);
      assertThat(membership.refused()).isNotDone();
    }
  }

  @Test
  void shouldEndWhenRefusedAtTheFirstJoin() {
    String address = startServer(0);
    for (ErrorCode code :
        List.of(
            ErrorCode.MODEL_MISMATCH,
            ErrorCode.BUILD_MISMATCH,
            ErrorCode.WORKER_ID_IN_USE,
            ErrorCode.INVALID_REQUEST)) {
      coordinator.refusals.add(refusal(code));
      var failure = catchThrowableOfType(LongtakeException.class, () -> join(address, LONG));
      assertThat(failure.code()).isEqualTo(code);
      assertThat(failure)
          .hasMessageContaining(address)
          .hasMessageContaining("refused this worker: Expected something else");
    }
    coordinator.refusals.add(
        Status.INVALID_ARGUMENT.withDescription("no details").asRuntimeException());
    var failure = catchThrowableOfType(LongtakeException.class, () -> join(address, LONG));
    assertThat(failure.code()).isEqualTo(ErrorCode.INVALID_REQUEST);
  }

  @Test
  void shouldEndWhenRefusedOnTheWayBack() throws Exception {
    String address = startServerToRestart();
    try (var membership = join(address, LONG)) {
      coordinator.refusals.add(refusal(ErrorCode.MODEL_MISMATCH));
      stopServer();
      startServer(Integer.parseInt(address.substring(address.indexOf(':') + 1)));
      assertThat(membership.refused())
          .succeedsWithin(LONG)
          .satisfies(e -> assertThat(e.code()).isEqualTo(ErrorCode.MODEL_MISMATCH));
    }
  }

  @Test
  void shouldTryAgainWhenFirstJoinFailsForAMoment() throws Exception {
    String address = startServer(0);
    coordinator.refusals.add(Status.UNAVAILABLE.asRuntimeException());
    try (var _ = join(address, LONG)) {
      take(coordinator.joins);
      take(coordinator.joins);
    }
  }

  @Test
  void shouldSayWhatToDoWhenNothingListens() throws IOException {
    int port;
    try (var socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      port = socket.getLocalPort();
    }
    var failure =
        catchThrowableOfType(
            LongtakeException.class, () -> join("127.0.0.1:" + port, Duration.ofMillis(300)));
    assertThat(failure.code()).isEqualTo(ErrorCode.UNREACHABLE);
    assertThat(failure)
        .hasMessage(
            "Expected a coordinator at 127.0.0.1:%d, but nothing answered within 0.3 s; start it or correct --coordinator"
                .formatted(port));
  }

  @Test
  void shouldSayThatItIsNoCoordinatorWhenSomethingElseListens() {
    server = Endpoints.serve("127.0.0.1", 0, callbacks, new HealthStatusManager(), List.of());
    String address = "127.0.0.1:" + server.getPort();
    var failure =
        catchThrowableOfType(LongtakeException.class, () -> join(address, Duration.ofSeconds(2)));
    assertThat(failure.code()).isEqualTo(ErrorCode.UNREACHABLE);
    assertThat(failure).hasMessageContaining("what answers there is none");
  }

  @Test
  void shouldRefuseAddressWhenItHasNoPort() {
    var failure = catchThrowableOfType(LongtakeException.class, () -> join("nowhere", LONG));
    assertThat(failure.code()).isEqualTo(ErrorCode.INVALID_REQUEST);
  }
}
