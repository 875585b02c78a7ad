package dev.longtake.worker.service;

import static dev.longtake.worker.service.TestNodes.node;
import static dev.longtake.worker.service.TestNodes.order;
import static dev.longtake.worker.service.TestNodes.settings;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import com.google.protobuf.ByteString;
import com.google.protobuf.Duration;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.metrics.Telemetry;
import dev.longtake.common.partition.Grain;
import dev.longtake.common.rpc.Endpoints;
import dev.longtake.common.rpc.GrpcErrors;
import dev.longtake.v1.DecodedFrames;
import dev.longtake.v1.DescribeRequest;
import dev.longtake.v1.EncodeFramesRequest;
import dev.longtake.v1.EncodeTextRequest;
import dev.longtake.v1.EncodeTextResponse;
import dev.longtake.v1.Plan;
import dev.longtake.v1.WorkEvent;
import dev.longtake.v1.WorkFinished;
import dev.longtake.v1.WorkOrder;
import dev.longtake.v1.WorkerGrpc;
import dev.longtake.worker.engine.GangExchange;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

final class WorkerServiceTest {
  private static final java.time.Duration LONG = java.time.Duration.ofSeconds(60);
  private static final WorkEvent FINISHED =
      WorkEvent.newBuilder().setFinished(WorkFinished.getDefaultInstance()).build();
  private static final OrderRunner NOTHING =
      (order, exchange, events, canceled) -> events.accept(FINISHED);

  private final Deque<AutoCloseable> opened = new ArrayDeque<>();

  @AfterEach
  void closeAll() throws Exception {
    while (!opened.isEmpty()) {
      opened.pop().close();
    }
  }

  private WorkerServer start(OrderRunner runner) {
    return start(node(runner, null), LONG);
  }

  private WorkerServer start(WorkerNode node, java.time.Duration eventTimeout) {
    var worker = WorkerServer.start(settings(eventTimeout), node, Telemetry.hidden());
    opened.push(worker);
    return worker;
  }

  private ManagedChannel channel(WorkerServer worker) {
    ManagedChannel channel = Endpoints.connect(worker.address());
    opened.push(() -> {
      channel.shutdownNow();
      assertThat(channel.awaitTermination(20, TimeUnit.SECONDS)).isTrue();
    });
    return channel;
  }

  private WorkerGrpc.WorkerBlockingStub stub(WorkerServer worker) {
    return WorkerGrpc.newBlockingStub(channel(worker));
  }

  /** A Run call whose caller asks for each event by itself. */
  private static final class Run implements ClientResponseObserver<WorkOrder, WorkEvent> {
    final LinkedBlockingQueue<WorkEvent> events = new LinkedBlockingQueue<>();
    final CompletableFuture<LongtakeException> end = new CompletableFuture<>();
    private final CompletableFuture<ClientCallStreamObserver<WorkOrder>> call =
        new CompletableFuture<>();

    static Run start(ManagedChannel channel, WorkOrder order) {
      var run = new Run();
      WorkerGrpc.newStub(channel).run(order, run);
      return run;
    }

    @Override
    public void beforeStart(ClientCallStreamObserver<WorkOrder> requests) {
      requests.disableAutoRequestWithInitial(1);
      call.complete(requests);
    }

    void request() {
      call.join().request(1);
    }

    void cancel() {
      call.join().cancel("the test cancels", null);
    }

    WorkEvent next() throws InterruptedException {
      WorkEvent event = events.poll(60, TimeUnit.SECONDS);
      assertThat(event).isNotNull();
      return event == null ? FINISHED : event;
    }

    /** How the call failed. */
    LongtakeException failure() throws Exception {
      // A status is only delivered to those who asked for more.
      request();
      return end.get(60, TimeUnit.SECONDS);
    }

    @Override
    public void onNext(WorkEvent event) {
      events.add(event);
    }

    @Override
    public void onError(Throwable t) {
      end.complete(GrpcErrors.fromStatus(t, "worker"));
    }

    @Override
    public void onCompleted() {
      end.completeExceptionally(new AssertionError("Expected a failure, but the run succeeded"));
    }
  }

  private static ErrorCode codeOf(Throwable failure) {
    return GrpcErrors.fromStatus(failure, "worker").code();
  }

  /** How the order fails. */
  private static Throwable runToEnd(WorkerGrpc.WorkerBlockingStub stub, WorkOrder order) {
    Throwable failure = catchThrowable(() -> stub.run(order).forEachRemaining(event -> {}));
    if (failure == null) {
      throw new AssertionError("Expected a failure, but the run succeeded: " + order);
    }
    return failure;
  }

  @Test
  void shouldDescribeItselfAndBeHealthyWhenServing() {
    var worker = start(NOTHING);
    var description = stub(worker).describe(DescribeRequest.getDefaultInstance());
    assertThat(description).isEqualTo(worker.description());
    assertThat(description.getId()).isEqualTo(worker.address());
    assertThat(description.getModel()).isEqualTo(TestNodes.MODEL);
    assertThat(
            HealthGrpc.newBlockingStub(channel(worker))
                .check(HealthCheckRequest.newBuilder().setService(WorkerGrpc.SERVICE_NAME).build())
                .getStatus())
        .isEqualTo(ServingStatus.SERVING);
  }

  @Test
  void shouldEncodePromptWhenModelHasEncoder() {
    var worker =
        start(
            node(
                NOTHING,
                prompt -> {
                  if (prompt.length() > 10) {
                    throw LongtakeException.invalidField(
                        "prompt", "Expected at most 10, but got more");
                  }
                  return EncodeTextResponse.newBuilder().addTokenIds(prompt.length()).build();
                }),
            LONG);
    var stub = stub(worker);
    assertThat(stub.encodeText(prompt("a circle")).getTokenIdsList()).containsExactly(8);
    for (String wrong : List.of("", "   ", "a circle moving right")) {
      Throwable failure = catchThrowable(() -> stub.encodeText(prompt(wrong)));
      assertThat(Status.fromThrowable(failure).getCode())
          .as(wrong)
          .isEqualTo(Status.Code.INVALID_ARGUMENT);
    }
  }

  private static EncodeTextRequest prompt(String prompt) {
    return EncodeTextRequest.newBuilder().setPrompt(prompt).build();
  }

  @Test
  void shouldRefusePromptWhenModelHasNoEncoder() {
    var worker = start(NOTHING);
    Throwable failure = catchThrowable(() -> stub(worker).encodeText(prompt("a circle")));
    assertThat(Status.fromThrowable(failure).getCode()).isEqualTo(Status.Code.FAILED_PRECONDITION);
    assertThat(failure).hasMessageContaining("text encoder").hasMessageContaining("tiny");
  }

  @Test
  void shouldRefuseFramesWhenModelCannotEncodeThem() {
    var stub = stub(start(NOTHING));
    Throwable failure =
        catchThrowable(() -> stub.encodeFrames(EncodeFramesRequest.getDefaultInstance()));
    assertThat(Status.fromThrowable(failure).getCode()).isEqualTo(Status.Code.FAILED_PRECONDITION);
  }

  @Test
  void shouldNameRunningJobWhenBusyAndServeNextWhenFree() throws Exception {
    var started = new CountDownLatch(1);
    var release = new CountDownLatch(1);
    var worker =
        start((order, exchange, events, canceled) -> {
          started.countDown();
          await(release);
          events.accept(FINISHED);
        });
    var channel = channel(worker);
    var first = Run.start(channel, order("first", List.of(worker.address())).build());
    await(started);
    var second = Run.start(channel, order("second", List.of(worker.address())).build());
    assertThat(second.failure().code()).isEqualTo(ErrorCode.WORKER_BUSY);
    assertThat(second.failure()).hasMessageContaining("it runs job first, attempt 1");
    release.countDown();
    assertThat(first.next()).isEqualTo(FINISHED);
    first.request();
    assertThat(first.end)
        .failsWithin(LONG)
        .withThrowableThat()
        .withMessageContaining("the run succeeded");
    // The slot is free once the caller knows that the first is done.
    for (int i = 0; i < 20; i++) {
      var next = order("next-" + i, List.of(worker.address())).build();
      assertThat(stub(worker).run(next).next()).isEqualTo(FINISHED);
    }
  }

  private static void await(CountDownLatch latch) {
    try {
      assertThat(latch.await(60, TimeUnit.SECONDS)).isTrue();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void shouldWakeBlockedExchangeAndFreeWorkerWhenCallIsCancelled() throws Exception {
    var ended = new CompletableFuture<Throwable>();
    var started = new CountDownLatch(1);
    var sawCanceled = new AtomicBoolean();
    var peer = start(NOTHING);
    var worker =
        start((order, exchange, events, canceled) -> {
          if (exchange.ranks() == 1) {
            events.accept(FINISHED);
            return;
          }
          started.countDown();
          try {
            exchange
                .lane(0)
                .allToAll(
                    new MemorySegment[2],
                    new MemorySegment[] {null, MemorySegment.ofArray(new byte[9])},
                    "step 1");
          } catch (LongtakeException e) {
            sawCanceled.set(canceled.getAsBoolean());
            ended.complete(e);
            throw e;
          }
        });
    var run =
        Run.start(channel(worker), order("j", List.of(worker.address(), peer.address())).build());
    await(started);
    run.cancel();
    assertThat(ended)
        .succeedsWithin(LONG)
        .satisfies(e -> assertThat(((LongtakeException) e).code()).isEqualTo(ErrorCode.CANCELED));
    assertThat(sawCanceled).isTrue();
    worker.close();
  }

  @Test
  void shouldServeNoMoreWhenItsCheckOfItselfFails() {
    OrderRunner broken =
        new OrderRunner() {
          @Override
          public void run(
              WorkOrder order,
              GangExchange exchange,
              Consumer<WorkEvent> events,
              BooleanSupplier canceled) {}

          @Override
          public float @Nullable [] check() {
            throw new LongtakeException(ErrorCode.INTERNAL, "no answer from the device");
          }
        };
    var worker = start(broken);
    var health =
        HealthGrpc.newBlockingStub(channel(worker)).withDeadlineAfter(60, TimeUnit.SECONDS);
    for (String service : List.of("", WorkerGrpc.SERVICE_NAME, "longtake.v1.Exchange")) {
      var states = health.watch(HealthCheckRequest.newBuilder().setService(service).build());
      ServingStatus status = states.next().getStatus();
      while (status != ServingStatus.NOT_SERVING) {
        status = states.next().getStatus();
      }
    }
    assertThat(worker.report().getFault()).contains("no answer from the device");
  }

  @Test
  void shouldStopRunnerWhenWorkerCloses() throws Exception {
    var started = new CountDownLatch(1);
    var freed = new AtomicInteger();
    OrderRunner untilCanceled =
        (order, exchange, events, canceled) -> {
          started.countDown();
          while (!canceled.getAsBoolean()) {
            Thread.onSpinWait();
          }
          throw new LongtakeException(ErrorCode.CANCELED, "stopped");
        };
    var worker =
        start(
            new WorkerNode(
                TestNodes.MODEL,
                "cpu",
                "",
                "",
                1,
                Grain.WHOLE,
                1,
                untilCanceled,
                null,
                TestNodes.NO_PIXELS,
                freed::incrementAndGet),
            LONG);
    var run = Run.start(channel(worker), order("j", List.of(worker.address())).build());
    await(started);
    worker.close();
    worker.close();
    assertThat(run.failure().code()).isEqualTo(ErrorCode.CANCELED);
    assertThat(freed).hasValue(1);
  }

  @Test
  void shouldRefuseOrderWhenItIsForAnotherModel() {
    var worker = start(NOTHING);
    var order = order("j", List.of(worker.address())).setModelFingerprint("beef").build();
    Throwable failure = runToEnd(stub(worker), order);
    assertThat(codeOf(failure)).isEqualTo(ErrorCode.MODEL_MISMATCH);
    assertThat(failure).hasMessageContaining("feed").hasMessageContaining("beef");
  }

  @Test
  void shouldRefuseOrderWhenItContradictsItself() {
    var worker = start(NOTHING);
    var stub = stub(worker);
    var good = order("j", List.of(worker.address())).build();
    var zero = Duration.getDefaultInstance();
    for (WorkOrder wrong :
        List.of(
            good.toBuilder().clearJobId().build(),
            good.toBuilder().setAttempt(-1).build(),
            good.toBuilder().clearGang().build(),
            good.toBuilder().setGang(0, "nowhere").build(),
            good.toBuilder().setRank(1).build(),
            good.toBuilder().setRank(-1).build(),
            good.toBuilder()
                .addGang(worker.address())
                .setPlan(Plan.newBuilder().setSequenceRanks(2))
                .build(),
            good.toBuilder().setPlan(Plan.newBuilder().setSequenceRanks(2)).build(),
            good.toBuilder().clearForward().build(),
            good.toBuilder().setPrecisionValue(99).build(),
            good.toBuilder().setExchangeTimeout(zero).build(),
            good.toBuilder().setExchangeTimeout(zero.toBuilder().setSeconds(-1)).build())) {
      Throwable failure = runToEnd(stub, wrong);
      assertThat(codeOf(failure)).as(wrong.toString()).isEqualTo(ErrorCode.INVALID_REQUEST);
      assertThat(failure).hasMessageContaining("Expected");
    }
    assertThat(stub.run(good).next()).isEqualTo(FINISHED);
  }

  @Test
  void shouldHideDetailsWhenRunnerFailsUnexpectedly() {
    var worker =
        start((order, exchange, events, canceled) -> {
          throw new IllegalStateException("secret");
        });
    Throwable failure = runToEnd(stub(worker), order("j", List.of(worker.address())).build());
    assertThat(codeOf(failure)).isEqualTo(ErrorCode.INTERNAL);
    assertThat(failure)
        .hasMessageNotContaining("secret")
        .hasMessageContaining("IllegalStateException");
  }

  @Test
  void shouldDeliverAllEventsInOrderWhenCallerIsSlow() throws Exception {
    int count = 64;
    var worker =
        start((order, exchange, events, canceled) -> {
          for (int i = 0; i < count; i++) {
            events.accept(frames(i));
          }
          events.accept(FINISHED);
        });
    var run = Run.start(channel(worker), order("j", List.of(worker.address())).build());
    for (int i = 0; i < count; i++) {
      assertThat(run.next().getFrames().getFirstFrame()).isEqualTo(i);
      run.request();
    }
    assertThat(run.next()).isEqualTo(FINISHED);
  }

  @Test
  void shouldStopEmittingWhenCallerReadsNothing() throws Exception {
    var emitted = new AtomicInteger();
    var end = new CompletableFuture<Throwable>();
    var worker =
        start(
            node(
                (order, exchange, events, canceled) -> {
                  try {
                    for (int i = 0; i < 64; i++) {
                      events.accept(frames(i));
                      emitted.incrementAndGet();
                    }
                    end.complete(new AssertionError("Expected back-pressure"));
                  } catch (LongtakeException e) {
                    end.complete(e);
                    throw e;
                  }
                },
                null),
            java.time.Duration.ofMillis(500));
    var _ = Run.start(channel(worker), order("j", List.of(worker.address())).build());
    assertThat(end)
        .succeedsWithin(LONG)
        .satisfies(e -> {
          assertThat(e).isInstanceOf(LongtakeException.class).hasMessageContaining("read nothing");
          assertThat(((LongtakeException) e).code()).isEqualTo(ErrorCode.TIMED_OUT);
        });
    // The flow-control window of 16 MiB, the message the caller asked for, and one that filled the
    // buffer.
    assertThat(emitted.get()).isBetween(1, 20);
  }

  private static WorkEvent frames(int first) {
    return WorkEvent.newBuilder()
        .setFrames(
            DecodedFrames.newBuilder()
                .setFirstFrame(first)
                .setRgb(ByteString.copyFrom(new byte[1 << 20])))
        .build();
  }
}
