package dev.longtake.worker.service;

import static java.util.stream.Collectors.joining;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.metrics.Metric;
import dev.longtake.common.metrics.Telemetry;
import dev.longtake.common.process.LogContext;
import dev.longtake.common.tracing.Tracing;
import dev.longtake.v1.DescribeRequest;
import dev.longtake.v1.EncodeFramesRequest;
import dev.longtake.v1.EncodeFramesResponse;
import dev.longtake.v1.EncodeTextRequest;
import dev.longtake.v1.EncodeTextResponse;
import dev.longtake.v1.WorkEvent;
import dev.longtake.v1.WorkOrder;
import dev.longtake.v1.WorkerDescription;
import dev.longtake.v1.WorkerGrpc;
import dev.longtake.worker.exchange.ExchangeHub;
import dev.longtake.worker.exchange.GangMember;
import dev.longtake.worker.exchange.GrpcGang;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.observation.Observation;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The gRPC service a coordinator calls. Each order runs on a thread {@code lt-engine-0}, {@code lt-engine-1}, ..., a bounded number
 * at once, prompts are encoded on {@code lt-encode-0}, frames on {@code lt-pixels-0}; gRPC's own threads are never blocked.
 */
final class WorkerService extends WorkerGrpc.WorkerImplBase {
  private static final Logger LOG = LoggerFactory.getLogger(WorkerService.class);

  /** Prompts that may wait for the encoder. */
  private static final int QUEUED_PROMPTS = 32;

  /** Calls with frames that may wait; each may have 64 MiB. */
  private static final int QUEUED_FRAMES = 4;

  private static final Duration STOP_WAIT = Duration.ofSeconds(10);

  private final WorkerNode node;
  private final OrderRunner runner;
  private final CompletableFuture<WorkerDescription> description;
  private final ExchangeHub hub;
  private final Duration exchangeTimeout;
  private final Duration eventTimeout;
  private final ThreadPoolExecutor engine;
  private final QueuedCalls prompts;
  private final QueuedCalls frames;
  private final int maxOrders;
  private final OrderMeters meters;
  private final HeapTidy heap = new HeapTidy();
  private final Tracing tracing;
  private final Set<RunningOrder> running = new HashSet<>(); // guarded by itself
  private boolean draining; // guarded by running
  private final CompletableFuture<@Nullable Void> drained = new CompletableFuture<>();

  /** @param runner the node's, or what watches it */
  WorkerService(
      WorkerNode node,
      OrderRunner runner,
      CompletableFuture<WorkerDescription> description,
      ExchangeHub hub,
      WorkerSettings settings,
      Telemetry telemetry) {
    this.node = node;
    this.runner = runner;
    this.description = description;
    this.hub = hub;
    this.exchangeTimeout = settings.exchangeTimeout();
    this.eventTimeout = settings.eventTimeout();
    this.maxOrders = settings.maxOrders();
    MeterRegistry registry = telemetry.registry();
    this.meters = new OrderMeters(registry);
    this.tracing = telemetry.tracing();
    Metric.ORDERS_RUNNING.gauge(registry, this::runningOrders);
    // The slot in `running` is free a moment before the thread is, hence places in the queue.
    this.engine =
        new ThreadPoolExecutor(
            maxOrders,
            maxOrders,
            0,
            TimeUnit.SECONDS,
            new ArrayBlockingQueue<>(maxOrders),
            Thread.ofPlatform().name("lt-engine-", 0).daemon().factory());
    this.prompts =
        new QueuedCalls(
            "EncodeText", "prompts to wait for the text encoder", QUEUED_PROMPTS, "lt-encode-");
    this.frames =
        new QueuedCalls(
            "EncodeFrames", "calls to wait for the frame encoder", QUEUED_FRAMES, "lt-pixels-");
  }

  @Override
  public void describe(DescribeRequest request, StreamObserver<WorkerDescription> response) {
    // Known a moment after the server listens, because the port is part of it.
    var _ =
        description.thenAccept(known -> {
          response.onNext(known);
          response.onCompleted();
        });
  }

  @Override
  public void encodeText(EncodeTextRequest request, StreamObserver<EncodeTextResponse> response) {
    try {
      PromptEncoder encoder = node.encoder();
      if (encoder == null) {
        throw new LongtakeException(
            ErrorCode.INVALID_MODEL,
            "Expected a model that a text encoder drives, but %s (%s) has none, or is conditioned on classes or a pooled text; send conditions of its kind or start a worker with a complete model"
                .formatted(node.model().getName(), node.model().getArchitecture()));
      }
      if (request.getNullText() && !request.getPrompt().isEmpty()) {
        throw LongtakeException.invalidField(
            "null_text", "Expected no prompt beside null_text, but got one; leave one of them out");
      }
      if (request.getPrompt().isBlank() && !request.getNullText()) {
        throw LongtakeException.invalidField(
            "prompt", "Expected a prompt that says what the video shows, but it is empty");
      }
      prompts.answer(
          response,
          () ->
              request.getTokensOnly()
                  ? encoder.tokenize(request.getPrompt())
                  : encoder.encode(request.getPrompt()));
    } catch (RuntimeException e) {
      prompts.fail(response, e);
    }
  }

  @Override
  public void encodeFrames(
      EncodeFramesRequest request, StreamObserver<EncodeFramesResponse> response) {
    frames.answer(response, () -> node.pixels().encode(request));
  }

  @Override
  public void run(WorkOrder order, StreamObserver<WorkEvent> response) {
    var call = (ServerCallStreamObserver<WorkEvent>) response;
    var started = new RunningOrder(order, call, eventTimeout);
    call.setOnCancelHandler(() -> started.cancel("the caller has cancelled"));
    call.setOnReadyHandler(started::ready);
    boolean mine = false;
    GrpcGang exchange = null;
    try {
      int lanes = OrderChecks.check(order, node.model());
      mine = takeSlot(started);
      exchange =
          hub.open(
              order.getJobId(),
              order.getAttempt(),
              order.getRank(),
              GangMember.of(order),
              lanes,
              timeoutOf(order));
      started.attach(exchange);
      GrpcGang opened = exchange;
      Observation observation = observation(order);
      engine.execute(() -> {
        try (var _ = LogContext.job(order.getJobId());
            var _ = LogContext.attempt(order.getAttempt())) {
          observation.observe(() -> runOnEngine(started, opened, call, observation));
        }
      });
    } catch (RuntimeException e) {
      if (exchange != null) {
        exchange.close();
      }
      if (mine) {
        freeSlot(started);
      }
      call.onError(
          CallFailures.status(
              "Run of " + started, e instanceof RejectedExecutionException ? stopping() : e));
    }
  }

  /** Part of the call that brings the order. */
  private Observation observation(WorkOrder order) {
    return Observation.createNotStarted("longtake.order", tracing.observations())
        .contextualName("order " + order.getTaskCase().name().toLowerCase(Locale.ROOT))
        .parentObservation(tracing.observations().getCurrentObservation())
        .highCardinalityKeyValue(Tracing.JOB_ID, order.getJobId())
        .highCardinalityKeyValue(Tracing.ATTEMPT, Long.toString(order.getAttempt()))
        .highCardinalityKeyValue(Tracing.RANK, Integer.toString(order.getRank()))
        .highCardinalityKeyValue(Tracing.WORKER_ID, description.join().getId());
  }

  private boolean takeSlot(RunningOrder order) {
    synchronized (running) {
      if (draining) {
        throw new LongtakeException(
            ErrorCode.WRONG_STATE,
            "Expected a worker that takes orders for %s, but this one is leaving; send it to another one"
                .formatted(order));
      }
      if (running.size() >= maxOrders) {
        throw new LongtakeException(
            ErrorCode.WORKER_BUSY,
            "Expected this worker to be free for %s, but it runs %s, and at most %d at once; wait for one or cancel it"
                .formatted(order, joined(running), maxOrders));
      }
      return running.add(order);
    }
  }

  private static String joined(Set<RunningOrder> orders) {
    return orders.stream().map(RunningOrder::toString).sorted().collect(joining(" and "));
  }

  private void freeSlot(RunningOrder order) {
    boolean isLast;
    synchronized (running) {
      running.remove(order);
      isLast = draining && running.isEmpty();
    }
    if (isLast) {
      drained.complete(null);
    }
  }

  /** Takes no more orders; the future completes when none runs any more. */
  CompletableFuture<@Nullable Void> drain() {
    boolean isIdle;
    synchronized (running) {
      draining = true;
      isIdle = running.isEmpty();
    }
    if (isIdle) {
      drained.complete(null);
    }
    return drained.copy();
  }

  boolean isBusy() {
    return runningOrders() > 0;
  }

  private int runningOrders() {
    synchronized (running) {
      return running.size();
    }
  }

  boolean isDraining() {
    synchronized (running) {
      return draining;
    }
  }

  private Duration timeoutOf(WorkOrder order) {
    return order.hasExchangeTimeout()
        ? Duration.ofSeconds(
            order.getExchangeTimeout().getSeconds(), order.getExchangeTimeout().getNanos())
        : exchangeTimeout;
  }

  private void runOnEngine(
      RunningOrder order,
      GrpcGang exchange,
      ServerCallStreamObserver<WorkEvent> call,
      Observation observation) {
    LOG.info("{}: rank {} of {} starts", order, exchange.rank(), exchange.ranks());
    Throwable failure = null;
    long startNanos = System.nanoTime();
    try {
      runner.run(
          order.order(),
          exchange,
          event -> {
            order.emit(event);
            observe(event, observation);
          },
          order::isCanceled);
    } catch (RuntimeException | Error e) {
      failure = e;
      observation.error(e);
      exchange.abort(e);
    }
    exchange.close();
    meters.ended(order.order(), System.nanoTime() - startNanos, failure);
    // Before the answer: a caller that got it may send the next order at once.
    freeSlot(order);
    if (failure != null) {
      call.onError(CallFailures.status("Run of " + order, failure));
    } else if (!call.isCancelled()) {
      call.onCompleted();
    }
    if (!isBusy()) {
      heap.idle();
    }
  }

  private static void observe(WorkEvent event, Observation observation) {
    if (event.hasStepFinished()) {
      observation.event(Observation.Event.of("step", "step " + event.getStepFinished().getStep()));
    }
  }

  static LongtakeException stopping() {
    return new LongtakeException(ErrorCode.CANCELED, "This worker is shutting down");
  }

  /** Cancels the orders that run and waits, bounded; false when the engine is still at work then. */
  boolean stop() {
    engine.shutdown();
    prompts.shutdown();
    frames.shutdown();
    List<RunningOrder> orders;
    synchronized (running) {
      orders = List.copyOf(running);
    }
    orders.forEach(order -> order.cancel("this worker is shutting down"));
    try {
      if (engine.awaitTermination(STOP_WAIT.toSeconds(), TimeUnit.SECONDS)
          && prompts.awaitEnd(STOP_WAIT)
          && frames.awaitEnd(STOP_WAIT)) {
        return true;
      }
      LOG.warn("The engine did not stop within {} s; leaving without it", STOP_WAIT.toSeconds());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    return false;
  }
}
