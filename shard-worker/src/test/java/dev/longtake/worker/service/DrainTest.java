package dev.longtake.worker.service;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.metrics.Telemetry;
import dev.longtake.common.rpc.Endpoints;
import dev.longtake.common.rpc.GrpcErrors;
import dev.longtake.v1.JoinReply;
import dev.longtake.v1.WorkEvent;
import dev.longtake.v1.WorkFinished;
import dev.longtake.v1.WorkOrder;
import dev.longtake.v1.WorkerGrpc;
import dev.longtake.v1.WorkerReport;
import dev.longtake.worker.engine.GangExchange;
import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.protobuf.services.HealthStatusManager;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
final class DrainTest {
  private static final Duration LONG = Duration.ofMinutes(10);
  private static final WorkEvent FINISHED =
      WorkEvent.newBuilder().setFinished(WorkFinished.getDefaultInstance()).build();

  private final ExecutorService threads = Executors.newCachedThreadPool();
  private final FakeCoordinator coordinator = new FakeCoordinator();
  private final CountDownLatch started = new CountDownLatch(1);
  private final CountDownLatch mayEnd = new CountDownLatch(1);
  private final Deque<AutoCloseable> opened = new ArrayDeque<>();

  @AfterEach
  void closeAll() throws Exception {
    while (!opened.isEmpty()) {
      opened.pop().close();
    }
    threads.shutdown();
    assertThat(threads.awaitTermination(20, TimeUnit.SECONDS)).isTrue();
  }

  /** Its orders end when they may, or are cancelled. */
  private WorkerServer worker() {
    OrderRunner runner =
        (order, exchange, events, canceled) -> {
          started.countDown();
          try {
            while (!mayEnd.await(5, TimeUnit.MILLISECONDS) && !canceled.getAsBoolean()) {
              // Until one of both.
            }
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
          }
          events.accept(FINISHED);
        };
    var worker =
        WorkerServer.start(
            TestNodes.settings(LONG, /* maxOrders= */ 2),
            TestNodes.node(runner, null),
            Telemetry.hidden());
    opened.push(worker);
    return worker;
  }

  private ClusterMembership join(WorkerServer worker) {
    coordinator.heartbeatSeconds = 3600;
    Server server =
        Endpoints.serve("127.0.0.1", 0, threads, new HealthStatusManager(), List.of(coordinator));
    opened.push(() -> {
      server.shutdownNow();
      assertThat(server.awaitTermination(20, TimeUnit.SECONDS)).isTrue();
    });
    var membership =
        ClusterMembership.join(
            List.of("127.0.0.1:" + server.getPort()),
            /* tls= */ null,
            /* apiKey= */ "",
            worker.introduction(),
            worker::report,
            MembershipSettings.defaults(),
            new Random(7));
    opened.push(membership);
    return membership;
  }

  private WorkerGrpc.WorkerBlockingStub stub(WorkerServer worker) {
    ManagedChannel channel = Endpoints.connect(worker.address());
    opened.push(() -> {
      channel.shutdownNow();
      assertThat(channel.awaitTermination(20, TimeUnit.SECONDS)).isTrue();
    });
    return WorkerGrpc.newBlockingStub(channel);
  }

  private Iterator<WorkEvent> startOrder(WorkerServer worker) throws InterruptedException {
    var events = stub(worker).run(TestNodes.order("job-1", List.of(worker.address())).build());
    assertThat(started.await(60, TimeUnit.SECONDS)).isTrue();
    return events;
  }

  private Future<?> await(Drain drain) {
    return threads.submit(drain::await);
  }

  private WorkerReport report() throws InterruptedException {
    @Nullable WorkerReport report = coordinator.heartbeats.poll(60, TimeUnit.SECONDS);
    return report == null ? WorkerReport.getDefaultInstance() : report;
  }

  @Test
  void shouldEndAtOnceWhenNothingRuns() {
    WorkerServer worker = worker();
    var drain = new Drain(worker, join(worker), LONG);
    drain.begin();
    drain.await();
  }

  @Test
  void shouldGoOnWithItsOrdersAndRefuseOthersUntilToldToLeave() throws Exception {
    WorkerServer worker = worker();
    var drain = new Drain(worker, join(worker), LONG);
    Iterator<WorkEvent> events = startOrder(worker);
    assertThat(worker.report().getLeaving()).isFalse();

    drain.begin();

    assertThat(report().getLeaving()).isTrue();
    Throwable refusal =
        catchThrowable(() ->
            stub(worker)
                .run(TestNodes.order("job-2", List.of(worker.address())).build())
                .forEachRemaining(event -> {}));
    assertThat(GrpcErrors.fromStatus(refusal, "worker").code()).isEqualTo(ErrorCode.WRONG_STATE);
    assertThat(refusal).hasMessageContaining("job-2").hasMessageContaining("leaving");
    mayEnd.countDown();
    assertThat(events.next()).isEqualTo(FINISHED);
    assertThat(events.hasNext()).isFalse();
    coordinator.replies.take().onNext(JoinReply.newBuilder().setLeave(true).build());
    await(drain).get(60, TimeUnit.SECONDS);
  }

  @Test
  void shouldEndAfterTheLastOrderWhenTheCoordinatorSaysNothing() throws Exception {
    WorkerServer worker = worker();
    var alone = new Drain(worker, /* membership= */ null, LONG);
    var joined = new Drain(worker, join(worker), LONG);
    startOrder(worker);
    alone.begin();
    joined.begin();
    Future<?> end = await(alone);
    assertThat(end).isNotDone();
    mayEnd.countDown();
    end.get(60, TimeUnit.SECONDS);
    await(joined).get(60, TimeUnit.SECONDS);
  }

  @Test
  void shouldEndWithOrdersRunningWhenTheTimeIsOver() throws Exception {
    WorkerServer worker = worker();
    startOrder(worker);
    for (Duration timeout : List.of(Duration.ZERO, Duration.ofMillis(50))) {
      var drain = new Drain(worker, /* membership= */ null, timeout);
      drain.begin();
      await(drain).get(60, TimeUnit.SECONDS);
    }
  }

  @Test
  void shouldEndWhenToldToLeaveWithoutHavingAsked() throws Exception {
    WorkerServer worker = worker();
    var drain = new Drain(worker, join(worker), LONG);
    coordinator.replies.take().onNext(JoinReply.newBuilder().setLeave(true).build());
    drain.await();
    assertThat(worker.report().getLeaving()).isFalse();
  }

  /** Its first order fails with its device, and so does whatever comes after. */
  private WorkerServer workerWithoutDevice() {
    OrderRunner runner =
        (order, exchange, events, canceled) -> {
          throw new LongtakeException(ErrorCode.DEVICE_LOST, "Expected a GPU, but it burns");
        };
    var worker =
        WorkerServer.start(
            TestNodes.settings(LONG, /* maxOrders= */ 1),
            TestNodes.node(runner, null),
            Telemetry.hidden());
    opened.push(worker);
    return worker;
  }

  @Test
  void shouldReportLeaveAndEndWithTheErrorWhenTheDeviceIsLost() throws Exception {
    WorkerServer worker = workerWithoutDevice();
    var drain = new Drain(worker, join(worker), LONG);
    ManagedChannel channel = Endpoints.connect(worker.address());
    opened.push(channel::shutdownNow);

    Throwable failure =
        catchThrowable(() ->
            stub(worker)
                .run(TestNodes.order("job-1", List.of(worker.address())).build())
                .forEachRemaining(event -> {}));

    assertThat(GrpcErrors.fromStatus(failure, "worker").code()).isEqualTo(ErrorCode.DEVICE_LOST);
    WorkerReport report = report();
    assertThat(report.getLeaving()).isTrue();
    assertThat(report.getFault()).isEqualTo("Expected a GPU, but it burns");
    assertThat(
            HealthGrpc.newBlockingStub(channel)
                .check(HealthCheckRequest.getDefaultInstance())
                .getStatus())
        .isEqualTo(ServingStatus.NOT_SERVING);
    coordinator.replies.take().onNext(JoinReply.newBuilder().setLeave(true).build());
    assertThatThrownBy(drain::await)
        .isInstanceOfSatisfying(
            LongtakeException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.DEVICE_LOST))
        .hasMessage("Expected a GPU, but it burns");
  }

  @Test
  void shouldEndWithTheErrorWhenACheckFindsThatTheDeviceIsLost() {
    OrderRunner runner =
        new OrderRunner() {
          @Override
          public void run(
              WorkOrder order,
              GangExchange exchange,
              Consumer<WorkEvent> events,
              BooleanSupplier canceled) {
            throw new AssertionError("no order comes");
          }

          @Override
          public float[] check() {
            throw new LongtakeException(ErrorCode.DEVICE_LOST, "Expected a GPU, but it froze");
          }
        };
    var worker =
        WorkerServer.start(
            TestNodes.settings(LONG), TestNodes.node(runner, null), Telemetry.hidden());
    opened.push(worker);

    assertThatThrownBy(new Drain(worker, /* membership= */ null, LONG)::await)
        .hasMessage("Expected a GPU, but it froze");
  }
}
