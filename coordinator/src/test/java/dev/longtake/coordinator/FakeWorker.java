package dev.longtake.coordinator;

import com.google.protobuf.ByteString;
import com.google.protobuf.util.Durations;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.partition.Partition;
import dev.longtake.common.partition.Range;
import dev.longtake.common.rpc.Endpoints;
import dev.longtake.common.rpc.GrpcErrors;
import dev.longtake.coordinator.video.TestFrames;
import dev.longtake.v1.AttentionProfile;
import dev.longtake.v1.AttentionProfile.Axis;
import dev.longtake.v1.BlockProfile;
import dev.longtake.v1.ClusterGrpc;
import dev.longtake.v1.DataType;
import dev.longtake.v1.DecodedFrames;
import dev.longtake.v1.DescribeRequest;
import dev.longtake.v1.EncodeTextRequest;
import dev.longtake.v1.EncodeTextResponse;
import dev.longtake.v1.IntRange;
import dev.longtake.v1.JoinReply;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.ModelProfile;
import dev.longtake.v1.SamplingTask;
import dev.longtake.v1.StepFinished;
import dev.longtake.v1.Tensor;
import dev.longtake.v1.WorkEvent;
import dev.longtake.v1.WorkFinished;
import dev.longtake.v1.WorkOrder;
import dev.longtake.v1.WorkerDescription;
import dev.longtake.v1.WorkerGrpc;
import dev.longtake.v1.WorkerReport;
import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.protobuf.services.HealthStatusManager;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** A worker that speaks the real contract over a real port and paints flat frames instead of generating any. */
final class FakeWorker extends WorkerGrpc.WorkerImplBase implements AutoCloseable {
  static final int MAX_TOKENS = 8;

  /** What it does with an order. */
  enum Behaviour {
    /** All steps, its frames, its report. */
    FINISH,
    /** One step, then nothing until it is cancelled or told otherwise. */
    HOLD,
    /** Says that a peer is lost. */
    LOSE_PEER,
    /** Refuses the first order as busy, then finishes. */
    BUSY_ONCE,
    /** Ends the call without a report. */
    FORGET_REPORT,
    /** Sends frames of the wrong size. */
    WRONG_FRAMES,
  }

  final BlockingQueue<WorkOrder> orders = new LinkedBlockingQueue<>();
  final BlockingQueue<String> cancelled = new LinkedBlockingQueue<>();
  final CompletableFuture<Throwable> joinEnded = new CompletableFuture<>();
  volatile Behaviour behaviour = Behaviour.FINISH;

  private final ExecutorService executor = Executors.newVirtualThreadPerTaskExecutor();
  private final Server server;
  private final WorkerDescription description;
  private @Nullable ManagedChannel coordinator;
  private @Nullable StreamObserver<WorkerReport> reports;
  private boolean refusedBusy;

  FakeWorker(String id, ModelCard model) {
    server = Endpoints.serve("127.0.0.1", 0, executor, new HealthStatusManager(), List.of(this));
    description =
        WorkerDescription.newBuilder()
            .setId(id)
            .setAddress("127.0.0.1:" + server.getPort())
            .setModel(model)
            .setDevice("fake")
            .build();
  }

  /** The demo model's card, more or less. */
  static ModelCard card() {
    return ModelCard.newBuilder()
        .setName("shapes")
        .setFingerprint("0123456789abcdef")
        .setArchitecture("STDiT3")
        .setWidth(range(16, 128, 16, 64))
        .setHeight(range(16, 128, 16, 48))
        .setFrames(range(1, 64, 1, 6))
        .setMaxTextTokens(MAX_TOKENS)
        .setFps(8)
        .setDefaultSteps(4)
        .setDefaultGuidance(3)
        .setLatentChannels(4)
        .setSpatialCompression(8)
        .setTemporalCompression(1)
        .setProfile(profile())
        .build();
  }

  /** A pair of blocks of the demo model's kind. */
  private static ModelProfile profile() {
    var profile =
        ModelProfile.newBuilder()
            .setChannels(48)
            .setHeads(4)
            .setPredictionColumns(32)
            .setPatchFrames(1)
            .setPatchHeight(2)
            .setPatchWidth(2)
            .setTextChannels(32)
            .setLatentChannels(4)
            .setOutputChannels(8)
            .setWideColumns(192);
    for (Axis axis : List.of(Axis.AXIS_SPATIAL, Axis.AXIS_TEMPORAL)) {
      profile.addBlocks(
          BlockProfile.newBuilder()
              .setKind(axis.name())
              .addAttentions(AttentionProfile.newBuilder().setAxis(axis))
              .setTextAttentions(1)
              .setReducibleParameters(16L * 48 * 48)
              .setFlopsPerToken(28L * 48 * 48));
    }
    return profile.build();
  }

  static IntRange range(int min, int max, int multiple, int value) {
    return IntRange.newBuilder()
        .setMin(min)
        .setMax(max)
        .setMultipleOf(multiple)
        .setDefaultValue(value)
        .build();
  }

  WorkerDescription description() {
    return description;
  }

  /** Joins and waits for the coordinator's reply; what it was refused with is in {@link #joinEnded}. */
  FakeWorker join(String coordinatorAddress) throws Exception {
    return join(coordinatorAddress, description);
  }

  FakeWorker join(String coordinatorAddress, WorkerDescription announced) throws Exception {
    CompletableFuture<JoinReply> welcome = new CompletableFuture<>();
    ManagedChannel channel = Endpoints.connect(coordinatorAddress);
    coordinator = channel;
    StreamObserver<WorkerReport> stream =
        ClusterGrpc.newStub(channel)
            .join(
                new StreamObserver<>() {
                  @Override
                  public void onNext(JoinReply reply) {
                    welcome.complete(reply);
                  }

                  @Override
                  public void onError(Throwable failure) {
                    joinEnded.complete(failure);
                    welcome.completeExceptionally(failure);
                  }

                  @Override
                  public void onCompleted() {
                    joinEnded.complete(new IllegalStateException("completed"));
                  }
                });
    reports = stream;
    stream.onNext(WorkerReport.newBuilder().setDescription(announced).build());
    welcome.handle((reply, failure) -> reply).get(30, TimeUnit.SECONDS);
    return this;
  }

  void heartbeat() {
    if (reports != null) {
      reports.onNext(WorkerReport.getDefaultInstance());
    }
  }

  void leave() {
    if (reports != null) {
      reports.onCompleted();
    }
  }

  /** Dies as a killed process does: every connection breaks. */
  void kill() {
    if (coordinator != null) {
      coordinator.shutdownNow();
    }
    server.shutdownNow();
  }

  @Override
  public void describe(DescribeRequest request, StreamObserver<WorkerDescription> response) {
    response.onNext(description);
    response.onCompleted();
  }

  @Override
  public void encodeText(EncodeTextRequest request, StreamObserver<EncodeTextResponse> response) {
    int tokens = 1 + (int) request.getPrompt().chars().filter(c -> c == ' ').count();
    if (tokens > MAX_TOKENS) {
      response.onError(
          GrpcErrors.toStatus(
              LongtakeException.invalidField(
                  "prompt",
                  "Expected a prompt of 1 to %d tokens, but it has %d; shorten it"
                      .formatted(MAX_TOKENS, tokens))));
      return;
    }
    response.onNext(
        EncodeTextResponse.newBuilder()
            .setEmbedding(
                Tensor.newBuilder()
                    .setDataType(DataType.DATA_TYPE_F32)
                    .addShape(tokens)
                    .addShape(2)
                    .setData(ByteString.copyFrom(new byte[tokens * 2 * 4])))
            .build());
    response.onCompleted();
  }

  @Override
  public void run(WorkOrder order, StreamObserver<WorkEvent> response) {
    if (behaviour == Behaviour.BUSY_ONCE && !refusedBusy) {
      refusedBusy = true;
      response.onError(
          GrpcErrors.toStatus(new LongtakeException(ErrorCode.WORKER_BUSY, "Another order runs")));
      return;
    }
    ((ServerCallStreamObserver<WorkEvent>) response)
        .setOnCancelHandler(() -> cancelled.add(order.getJobId()));
    orders.add(order);
    SamplingTask task = order.getSampling();
    switch (behaviour) {
      case FINISH, BUSY_ONCE -> {
        steps(order, response, task.getRectifiedFlow().getSteps());
        frames(order, response, /* wrongWidth= */ 0);
        report(order, response);
      }
      case HOLD -> steps(order, response, 1);
      case LOSE_PEER ->
          response.onError(
              GrpcErrors.toStatus(
                  new LongtakeException(
                      ErrorCode.PEER_LOST, "Expected an answer of a peer, but got none")));
      case FORGET_REPORT -> response.onCompleted();
      case WRONG_FRAMES -> frames(order, response, /* wrongWidth= */ 16);
    }
  }

  private static void steps(WorkOrder order, StreamObserver<WorkEvent> response, int count) {
    if (order.getRank() == 0) {
      int steps = order.getSampling().getRectifiedFlow().getSteps();
      for (int step = 1; step <= count; step++) {
        response.onNext(
            WorkEvent.newBuilder()
                .setStepFinished(StepFinished.newBuilder().setStep(step).setSteps(steps))
                .build());
      }
    }
  }

  /** Its range of frames, last one first. */
  private static void frames(WorkOrder order, StreamObserver<WorkEvent> response, int wrongWidth) {
    var geometry = order.getSampling().getGeometry();
    int width = (int) geometry.getPixelWidth() + wrongWidth;
    int height = (int) geometry.getPixelHeight();
    Range mine = new Partition(geometry.getPixelFrames(), order.getGangCount()).of(order.getRank());
    for (int frame = mine.end() - 1; frame >= mine.start(); frame--) {
      response.onNext(
          WorkEvent.newBuilder()
              .setFrames(
                  DecodedFrames.newBuilder()
                      .setFirstFrame(frame)
                      .setFrames(1)
                      .setWidth(width)
                      .setHeight(height)
                      .setRgb(ByteString.copyFrom(TestFrames.flat(width, height, frame))))
              .build());
    }
  }

  private static void report(WorkOrder order, StreamObserver<WorkEvent> response) {
    response.onNext(
        WorkEvent.newBuilder()
            .setFinished(
                WorkFinished.newBuilder()
                    .setLoad(Durations.fromMillis(10L + order.getRank()))
                    .setCompute(Durations.fromMillis(20L + order.getRank()))
                    .setExchange(Durations.fromMillis(30L - order.getRank()))
                    .setDecode(Durations.fromMillis(40)))
            .build());
    response.onCompleted();
  }

  @Override
  public void close() {
    kill();
    executor.shutdownNow();
  }
}
