package dev.longtake.coordinator;

import com.google.protobuf.Any;
import com.google.rpc.BadRequest;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.metrics.Metric;
import dev.longtake.common.metrics.Telemetry;
import dev.longtake.common.rpc.Endpoints;
import dev.longtake.common.rpc.GrpcErrors;
import dev.longtake.coordinator.access.Access;
import dev.longtake.coordinator.cache.EmbeddingCacheSettings;
import dev.longtake.coordinator.web.HttpConfig;
import dev.longtake.coordinator.web.http.HttpLimits;
import dev.longtake.v1.ClusterGrpc;
import dev.longtake.v1.ClusterStatus;
import dev.longtake.v1.GenerationGrpc;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobEvent;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.StatusRequest;
import dev.longtake.v1.SubmitRequest;
import dev.longtake.v1.WatchRequest;
import dev.longtake.v1.WorkerDescription;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;
import org.assertj.core.api.Assertions;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.jspecify.annotations.Nullable;

/** A real coordinator on a free port, its client, and fake workers; closing closes all. */
final class TestCluster implements AutoCloseable {
  /** Real heartbeats would make tests depend on time; those that need them use the manual timer. */
  private static final Duration HEARTBEAT = Duration.ofMinutes(1);

  private static final long CALL_SECONDS = 60;

  /** Of the coordinator. */
  static final String BUILD = "7.0-test";

  final Coordinator coordinator;
  final ScriptedPlanning planning;
  private final Telemetry telemetry = Telemetry.hidden();
  private final ManagedChannel channel;
  private final List<FakeWorker> workers = new ArrayList<>();

  TestCluster(Path data) {
    this(data, CoordinatorConfig.DEFAULT_QUEUE_LIMIT);
  }

  TestCluster(Path data, int queueLimit) {
    this(config(data, queueLimit), System::nanoTime, Optional.empty(), new ScriptedPlanning());
  }

  private TestCluster(
      CoordinatorConfig config,
      LongSupplier nanoTime,
      Optional<ScheduledExecutorService> timer,
      ScriptedPlanning planning) {
    this.planning = planning;
    this.coordinator =
        Coordinator.start(
            config, InstantSource.system(), nanoTime, timer, planning, BUILD, telemetry);
    this.channel = Endpoints.connect(coordinator.address());
  }

  static TestCluster withTimer(Path data, ManualTimer timer) {
    return new TestCluster(
        config(data, CoordinatorConfig.DEFAULT_QUEUE_LIMIT),
        timer::nanoTime,
        Optional.<ScheduledExecutorService>of(timer),
        new ScriptedPlanning());
  }

  static TestCluster with(Path data, EmbeddingCacheSettings embeddings) {
    return new TestCluster(
        config(data, CoordinatorConfig.DEFAULT_QUEUE_LIMIT, embeddings),
        System::nanoTime,
        Optional.empty(),
        new ScriptedPlanning());
  }

  static CoordinatorConfig config(Path data, int queueLimit) {
    return config(data, queueLimit, EmbeddingCacheSettings.defaults());
  }

  static TestCluster with(Path data, Access access) {
    return with(data, access, /* http= */ null);
  }

  /** A coordinator that serves HTTP, too. */
  static TestCluster withHttp(Path data, Access access, HttpLimits limits) {
    return with(data, access, new HttpConfig("127.0.0.1", 0, limits));
  }

  private static TestCluster with(Path data, Access access, @Nullable HttpConfig http) {
    return new TestCluster(
        config(
            data,
            access,
            CoordinatorConfig.DEFAULT_QUEUE_LIMIT,
            EmbeddingCacheSettings.defaults(),
            http),
        System::nanoTime,
        Optional.empty(),
        new ScriptedPlanning());
  }

  private static CoordinatorConfig config(
      Path data, int queueLimit, EmbeddingCacheSettings embeddings) {
    return config(data, Access.open(), queueLimit, embeddings, /* http= */ null);
  }

  private static CoordinatorConfig config(
      Path data,
      Access access,
      int queueLimit,
      EmbeddingCacheSettings embeddings,
      @Nullable HttpConfig http) {
    return new CoordinatorConfig(
        "127.0.0.1",
        0,
        null,
        access,
        data,
        null,
        null,
        CoordinatorConfig.DEFAULT_LEASE,
        CoordinatorConfig.DEFAULT_CHECKPOINT_EVERY,
        queueLimit,
        /* mixedDevices= */ false,
        embeddings,
        CoordinatorConfig.DEFAULT_EXCHANGE_TIMEOUT,
        HEARTBEAT,
        CoordinatorConfig.DEFAULT_ENCODE_TIMEOUT,
        CoordinatorConfig.DEFAULT_STALL_TIMEOUT,
        CoordinatorConfig.DEFAULT_SHUTDOWN_TIMEOUT,
        http);
  }

  static Duration heartbeat() {
    return HEARTBEAT;
  }

  FakeWorker worker(String id, ModelCard card) {
    FakeWorker worker = new FakeWorker(id, card);
    workers.add(worker);
    return worker;
  }

  FakeWorker workerOn(String host, String id) {
    FakeWorker worker =
        new FakeWorker(id, FakeWorker.card(), description -> description.setHost(host));
    workers.add(worker);
    return worker;
  }

  /** A worker that has joined. */
  FakeWorker joined(String id) throws Exception {
    return joined(worker(id, FakeWorker.card()));
  }

  /** A worker that has joined and describes itself otherwise. */
  FakeWorker joined(String id, UnaryOperator<WorkerDescription.Builder> change) throws Exception {
    FakeWorker worker = new FakeWorker(id, FakeWorker.card(), change);
    workers.add(worker);
    return joined(worker);
  }

  FakeWorker joined(FakeWorker worker) throws Exception {
    worker.join(coordinator.address());
    if (worker.joinEnded.isDone()) {
      throw new AssertionError("Joining failed", worker.joinEnded.join());
    }
    return worker;
  }

  int port() {
    String address = coordinator.address();
    return Integer.parseInt(address.substring(address.lastIndexOf(':') + 1));
  }

  ManagedChannel channel() {
    return channel;
  }

  GenerationGrpc.GenerationBlockingStub generation() {
    return GenerationGrpc.newBlockingStub(channel)
        .withDeadlineAfter(CALL_SECONDS, TimeUnit.SECONDS);
  }

  ClusterGrpc.ClusterBlockingStub cluster() {
    return ClusterGrpc.newBlockingStub(channel).withDeadlineAfter(CALL_SECONDS, TimeUnit.SECONDS);
  }

  ClusterStatus status() {
    return cluster().status(StatusRequest.getDefaultInstance());
  }

  /** Asks for the status until {@code wanted} accepts it; the time of asking is all the time that passes. */
  ClusterStatus awaitStatus(Predicate<ClusterStatus> wanted) {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(CALL_SECONDS);
    while (true) {
      ClusterStatus status = status();
      if (wanted.test(status)) {
        return status;
      }
      if (System.nanoTime() > deadline) {
        throw new AssertionError("The status stays " + status);
      }
    }
  }

  Job submit() {
    return submit(GenerationRequest.newBuilder().setPrompt("a red circle"));
  }

  Job submit(GenerationRequest.Builder request) {
    return generation().submit(SubmitRequest.newBuilder().setRequest(request).build());
  }

  /** What a gauge without labels shows. */
  double gauge(Metric metric) {
    return telemetry
        .registry()
        .get("longtake." + metric.name().toLowerCase(Locale.ROOT).replace('_', '.'))
        .gauge()
        .value();
  }

  /** All events of a job that ends. */
  List<JobEvent> watch(String jobId) {
    List<JobEvent> events = new ArrayList<>();
    generation()
        .watch(WatchRequest.newBuilder().setJobId(jobId).build())
        .forEachRemaining(events::add);
    return events;
  }

  /** Waits for the job's end. */
  Job end(String jobId) {
    return watch(jobId).getLast().getEnded();
  }

  /** Waits for an event that {@code wanted} accepts. */
  void awaitEvent(String jobId, Predicate<JobEvent> wanted) {
    var events = generation().watch(WatchRequest.newBuilder().setJobId(jobId).build());
    while (events.hasNext()) {
      if (wanted.test(events.next())) {
        return;
      }
    }
    throw new AssertionError("The job ended without the event");
  }

  /** How a call failed, as a client sees it. */
  record Failure(Status.Code status, ErrorCode reason, Optional<String> field, String message) {
    static Failure of(Throwable failure) {
      Optional<String> field = Optional.empty();
      com.google.rpc.Status details = StatusProto.fromThrowable(failure);
      if (details != null) {
        for (Any detail : details.getDetailsList()) {
          if (detail.is(BadRequest.class)) {
            try {
              field = Optional.of(detail.unpack(BadRequest.class).getFieldViolations(0).getField());
            } catch (com.google.protobuf.InvalidProtocolBufferException e) {
              throw new AssertionError(e);
            }
          }
        }
      }
      Status status = Status.fromThrowable(failure);
      return new Failure(
          status.getCode(),
          GrpcErrors.fromStatus(failure, "coordinator").code(),
          field,
          String.valueOf(status.getDescription()));
    }
  }

  static Failure failure(ThrowingCallable call) {
    return Failure.of(Assertions.catchThrowableOfType(StatusRuntimeException.class, call));
  }

  @Override
  public void close() {
    channel.shutdownNow();
    workers.forEach(FakeWorker::close);
    coordinator.close();
  }
}
