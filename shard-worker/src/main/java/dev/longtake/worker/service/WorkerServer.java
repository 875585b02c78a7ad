package dev.longtake.worker.service;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.metrics.Metric;
import dev.longtake.common.metrics.Telemetry;
import dev.longtake.common.process.Build;
import dev.longtake.common.process.Logs;
import dev.longtake.common.rpc.Endpoints;
import dev.longtake.v1.ExchangeGrpc;
import dev.longtake.v1.PieceGrain;
import dev.longtake.v1.WorkerDescription;
import dev.longtake.v1.WorkerGrpc;
import dev.longtake.v1.WorkerReport;
import dev.longtake.worker.exchange.ExchangeHub;
import io.grpc.Server;
import io.grpc.ServerInterceptor;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.protobuf.services.HealthStatusManager;
import io.micrometer.core.instrument.binder.grpc.MetricCollectingServerInterceptor;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A worker's gRPC server: Worker, Exchange, health and reflection. It owns the node from {@link #start} on. Closing undoes
 * the start in reverse, each step bounded.
 */
public final class WorkerServer implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(WorkerServer.class);

  /** Threads for gRPC callbacks, none of which blocks. */
  private static final int RPC_THREADS = 8;

  private static final long SERVER_WAIT_SECONDS = 2;

  private static final Duration CHECK_WAIT = Duration.ofSeconds(2);

  private final WorkerNode node;
  private final String callToken;
  private final ExchangeHub hub;
  private final ExecutorService callbacks;
  private final HealthStatusManager health = new HealthStatusManager();
  private final WorkerService service;
  private final Server server;
  private final CompletableFuture<WorkerDescription> described = new CompletableFuture<>();
  private final WorkerDescription description;
  private final CheckThreads checkThreads = new CheckThreads();
  private final SelfCheck selfCheck;
  private volatile String fault = "";
  private final CompletableFuture<LongtakeException> deviceLost = new CompletableFuture<>();
  private final AtomicBoolean closed = new AtomicBoolean();

  private WorkerServer(WorkerSettings settings, WorkerNode node, Telemetry telemetry) {
    this.node = node;
    this.callToken = settings.callToken();
    var runner = new DeviceWatch(node.runner(), this::onDeviceLost);
    this.hub = new ExchangeHub(settings.exchange(), settings.tls(), telemetry.registry());
    this.callbacks = callbackThreads();
    this.service = new WorkerService(node, runner, described, hub, settings, telemetry);
    try {
      this.server =
          Endpoints.serve(
              settings.host(),
              settings.port(),
              callbacks,
              health,
              List.of(service, hub.service()),
              settings.tls(),
              interceptors(telemetry));
    } catch (LongtakeException e) {
      closeParts();
      throw e;
    }
    this.selfCheck =
        new SelfCheck(runner::check, service::isBusy, this::onFault, checkThreads, checkThreads);
    this.description = describe(settings, node, server.getPort(), telemetry);
    Metric.WORKER_HEALTHY.gauge(telemetry.registry(), () -> fault.isEmpty() ? 1 : 0);
    described.complete(description);
  }

  /**
   * Starts to serve.
   *
   * @param telemetry of the process, the caller's
   * @throws LongtakeException PORT_IN_USE; the node is closed then, too
   */
  public static WorkerServer start(WorkerSettings settings, WorkerNode node, Telemetry telemetry) {
    var worker = new WorkerServer(settings, node, telemetry);
    Logs.identify("worker", worker.description.getId());
    worker.setStatus(ServingStatus.SERVING);
    worker.selfCheck.start();
    LOG.info(
        "Worker {} serves {} on {}",
        worker.description.getId(),
        node.model().getName(),
        worker.address());
    return worker;
  }

  private List<ServerInterceptor> interceptors(Telemetry telemetry) {
    ServerInterceptor meters = new MetricCollectingServerInterceptor(telemetry.registry());
    List<ServerInterceptor> interceptors = new ArrayList<>(List.of(meters));
    if (!callToken.isEmpty()) {
      interceptors.add(new TokenGuard(callToken));
    }
    telemetry.tracing().serverInterceptor().ifPresent(interceptors::add);
    return interceptors;
  }

  private void setStatus(ServingStatus status) {
    health.setStatus(HealthStatusManager.SERVICE_NAME_ALL_SERVICES, status);
    health.setStatus(WorkerGrpc.SERVICE_NAME, status);
    health.setStatus(ExchangeGrpc.SERVICE_NAME, status);
  }

  /** What the check of itself found; empty: nothing is wrong. */
  private void onFault(String found) {
    if (!found.equals(fault)) {
      LOG.warn("Worker {}: {}", description.getId(), found.isEmpty() ? "computes again" : found);
      fault = found;
      setStatus(found.isEmpty() ? ServingStatus.SERVING : ServingStatus.NOT_SERVING);
    }
  }

  private void onDeviceLost(LongtakeException failure) {
    if (!deviceLost.isDone()) {
      onFault(failure.getMessage());
      deviceLost.complete(failure);
    }
  }

  /** Completes when the device has failed for good: the worker can do nothing more, and its process should end with that error. */
  CompletableFuture<LongtakeException> deviceLost() {
    return deviceLost.copy();
  }

  private static ExecutorService callbackThreads() {
    var pool =
        new ThreadPoolExecutor(
            RPC_THREADS,
            RPC_THREADS,
            30,
            TimeUnit.SECONDS,
            // Bounded by the calls: gRPC queues at most one task for each.
            new LinkedBlockingQueue<>(),
            Thread.ofPlatform().name("lt-rpc-", 0).daemon().factory());
    pool.allowCoreThreadTimeOut(true);
    return pool;
  }

  private static WorkerDescription describe(
      WorkerSettings settings, WorkerNode node, int port, Telemetry telemetry) {
    String host = settings.advertisedHost();
    String address = (host.contains(":") ? "[" + host + "]" : host) + ":" + port;
    String id = settings.id();
    return WorkerDescription.newBuilder()
        .setId(id == null ? address : id)
        .setAddress(address)
        .setModel(node.model())
        .setDevice(node.device())
        .setDeviceDetail(node.deviceDetail())
        .setDeviceUuid(node.deviceUuid())
        .setMemoryTotalBytes(node.memoryTotalBytes())
        .setHost(Host.name(settings.advertisedHost()))
        .setProcessors(Runtime.getRuntime().availableProcessors())
        .setThreads(node.threads())
        .setPieces(
            PieceGrain.newBuilder().setStrands(node.grain().strands()).setRows(node.grain().rows()))
        .setMaxOrders(settings.maxOrders())
        .setBuild(Build.id())
        .setMetricsAddress(telemetry.address(host))
        .build();
  }

  /** Where others call this worker: {@code host:port}. */
  public String address() {
    return description.getAddress();
  }

  /** What the worker tells a coordinator about itself. */
  public WorkerDescription description() {
    return description;
  }

  /** What it tells a coordinator beside, when it joins. */
  public WorkerReport introduction() {
    return WorkerReport.newBuilder().setDescription(description).setCallToken(callToken).build();
  }

  /** What it tells a coordinator with every heartbeat. */
  public WorkerReport report() {
    return node.runner().report().toBuilder()
        .setLeaving(service.isDraining())
        .setFault(fault)
        .build();
  }

  /** Takes no more orders from now on; the future completes when none runs any more. */
  CompletableFuture<@Nullable Void> drain() {
    return service.drain();
  }

  /** Ends the order that runs, if any, and frees everything; a second call does nothing. */
  @Override
  public void close() {
    if (!closed.compareAndSet(false, true)) {
      return;
    }
    health.enterTerminalState();
    server.shutdown();
    closeParts();
    try {
      if (!server.awaitTermination(SERVER_WAIT_SECONDS, TimeUnit.SECONDS)) {
        server.shutdownNow();
        if (!server.awaitTermination(SERVER_WAIT_SECONDS, TimeUnit.SECONDS)) {
          LOG.warn("The server did not end its calls within {} s", 2 * SERVER_WAIT_SECONDS);
        }
      }
    } catch (InterruptedException e) {
      server.shutdownNow();
      Thread.currentThread().interrupt();
    }
    callbacks.shutdown();
  }

  private void closeParts() {
    hub.close();
    boolean checkEnded = checkThreads.stop(CHECK_WAIT);
    // A kernel that still runs must keep its memory, even while the process ends.
    if (service.stop() && checkEnded) {
      node.close();
    }
  }
}
