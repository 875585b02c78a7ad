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
import dev.longtake.v1.ClusterGrpc;
import dev.longtake.v1.DataType;
import dev.longtake.v1.DecodedFrames;
import dev.longtake.v1.DescribeRequest;
import dev.longtake.v1.EncodeFramesRequest;
import dev.longtake.v1.EncodeFramesResponse;
import dev.longtake.v1.EncodeTextRequest;
import dev.longtake.v1.EncodeTextResponse;
import dev.longtake.v1.IntRange;
import dev.longtake.v1.JoinReply;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.Preview;
import dev.longtake.v1.RankTrace;
import dev.longtake.v1.SamplingTask;
import dev.longtake.v1.StatePart;
import dev.longtake.v1.StepFinished;
import dev.longtake.v1.Tensor;
import dev.longtake.v1.TensorSlice;
import dev.longtake.v1.TraceKind;
import dev.longtake.v1.TraceSpan;
import dev.longtake.v1.WorkEvent;
import dev.longtake.v1.WorkFinished;
import dev.longtake.v1.WorkOrder;
import dev.longtake.v1.WorkerDescription;
import dev.longtake.v1.WorkerGrpc;
import dev.longtake.v1.WorkerReport;
import io.grpc.Channel;
import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.protobuf.services.HealthStatusManager;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** A worker that speaks the real contract over a real port and paints flat frames instead of generating any. */
final class FakeWorker extends WorkerGrpc.WorkerImplBase implements AutoCloseable {
  static final int MAX_TOKENS = 8;

  /** What it does with an order. */
  enum Behaviour {
    /** All steps, its frames, its report. */
    FINISH,
    /** One step, then nothing until it is cancelled or {@link #finish}ed. */
    HOLD,
    /** Says that a peer is lost. */
    LOSE_PEER,
    /** Refuses the first order as busy, then finishes. */
    BUSY_ONCE,
    /** Ends the call without a report. */
    FORGET_REPORT,
    /** Sends frames of the wrong size. */
    WRONG_FRAMES,
    /** Finishes, but did not keep the first frame that it was given. */
    JUMP,
  }

  /** The text encoder waits for it. */
  volatile CountDownLatch encodingsReleased = new CountDownLatch(0);

  /** Prompts that its text encoder ran for. */
  final BlockingQueue<String> encodings = new LinkedBlockingQueue<>();

  /** What frames showed that it encoded. */
  final BlockingQueue<Integer> encodedFrames = new LinkedBlockingQueue<>();

  final BlockingQueue<WorkOrder> orders = new LinkedBlockingQueue<>();
  final BlockingQueue<String> cancelled = new LinkedBlockingQueue<>();
  final CompletableFuture<Throwable> joinEnded = new CompletableFuture<>();
  final CountDownLatch toldToLeave = new CountDownLatch(1);
  final FakeMeasurements measuring = new FakeMeasurements();
  final AtomicInteger mostJobsAtOnce = new AtomicInteger();
  volatile Behaviour behaviour = Behaviour.FINISH;

  private final Map<String, Runnable> held = new ConcurrentHashMap<>();
  private final AtomicInteger jobs = new AtomicInteger();
  private final ExecutorService executor = Executors.newVirtualThreadPerTaskExecutor();
  private final Server server;
  private final WorkerDescription description;
  private @Nullable ManagedChannel coordinator;
  private @Nullable StreamObserver<WorkerReport> reports;
  private boolean refusedBusy;

  FakeWorker(String id, ModelCard model) {
    this(id, model, description -> description);
  }

  FakeWorker(
      String id, ModelCard model, UnaryOperator<WorkerDescription.Builder> changeDescription) {
    server = Endpoints.serve("127.0.0.1", 0, executor, new HealthStatusManager(), List.of(this));
    description =
        changeDescription
            .apply(
                WorkerDescription.newBuilder()
                    .setId(id)
                    .setAddress("127.0.0.1:" + server.getPort())
                    .setModel(model)
                    .setDevice("fake"))
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
        .setProfile(TestModel.profile())
        .build();
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
    ManagedChannel channel = Endpoints.connect(coordinatorAddress);
    coordinator = channel;
    return join(channel, announced);
  }

  /** Over a channel that the caller owns. */
  FakeWorker join(Channel channel) throws Exception {
    return join(channel, description);
  }

  private FakeWorker join(Channel channel, WorkerDescription announced) throws Exception {
    CompletableFuture<JoinReply> welcome = new CompletableFuture<>();
    StreamObserver<WorkerReport> stream =
        ClusterGrpc.newStub(channel)
            .join(
                new StreamObserver<>() {
                  @Override
                  public void onNext(JoinReply reply) {
                    welcome.complete(reply);
                    if (reply.getLeave()) {
                      toldToLeave.countDown();
                    }
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
    report(WorkerReport.getDefaultInstance());
  }

  void report(WorkerReport report) {
    if (reports != null) {
      reports.onNext(report);
    }
  }

  void leave() {
    if (reports != null) {
      reports.onCompleted();
    }
  }

  /** Calls to it break, while it stays a member. */
  void breakCalls() {
    server.shutdownNow();
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

  /** One a word, whatever its case. */
  private static List<Integer> tokenIds(String prompt) {
    return Stream.of(prompt.split(" ", -1))
        .map(word -> word.toLowerCase(Locale.ROOT).hashCode())
        .toList();
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
    EncodeTextResponse.Builder encoded =
        EncodeTextResponse.newBuilder().addAllTokenIds(tokenIds(request.getPrompt()));
    if (!request.getTokensOnly()) {
      encodings.add(request.getPrompt());
      awaitRelease();
      encoded.setEmbedding(
          Tensor.newBuilder()
              .setDataType(DataType.DATA_TYPE_F32)
              .addShape(tokens)
              .addShape(2)
              .setData(ByteString.copyFrom(new byte[tokens * 2 * 4])));
    }
    response.onNext(encoded.build());
    response.onCompleted();
  }

  private void awaitRelease() {
    try {
      if (!encodingsReleased.await(30, TimeUnit.SECONDS)) {
        throw new AssertionError("Encodings were never released");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public void run(WorkOrder order, StreamObserver<WorkEvent> response) {
    if (FakeMeasurements.isOne(order)) {
      measuring.run(order, response);
      return;
    }
    // Once: a test may change it as soon as it sees the order.
    Behaviour now = behaviour;
    if (now == Behaviour.BUSY_ONCE && !refusedBusy) {
      refusedBusy = true;
      response.onError(
          GrpcErrors.toStatus(new LongtakeException(ErrorCode.WORKER_BUSY, "Another order runs")));
      return;
    }
    ((ServerCallStreamObserver<WorkEvent>) response)
        .setOnCancelHandler(() -> {
          jobs.decrementAndGet();
          cancelled.add(order.getJobId());
        });
    mostJobsAtOnce.accumulateAndGet(jobs.incrementAndGet(), Math::max);
    if (now == Behaviour.HOLD) {
      held.put(order.getJobId(), () -> complete(order, response));
    }
    orders.add(order);
    SamplingTask task = order.getSampling();
    switch (now) {
      case FINISH, BUSY_ONCE, JUMP -> {
        steps(order, response, task.getRectifiedFlow().getSteps());
        complete(order, response);
      }
      case HOLD -> steps(order, response, task.getResume().getStepsDone() + 1);
      case LOSE_PEER ->
          response.onError(
              GrpcErrors.toStatus(
                  new LongtakeException(
                      ErrorCode.PEER_LOST, "Expected an answer of a peer, but got none")));
      case FORGET_REPORT -> response.onCompleted();
      case WRONG_FRAMES -> frames(order, response, /* wrongWidth= */ 16);
    }
  }

  /** Lets a job end that is held. */
  void finish(String jobId) {
    Runnable completion = held.remove(jobId);
    if (completion == null) {
      throw new AssertionError("Job %s is not held".formatted(jobId));
    }
    completion.run();
  }

  private void complete(WorkOrder order, StreamObserver<WorkEvent> response) {
    finalLatents(order, response);
    frames(order, response, /* wrongWidth= */ 0);
    trace(order, response);
    jobs.decrementAndGet();
    report(order, response);
  }

  private static void trace(WorkOrder order, StreamObserver<WorkEvent> response) {
    response.onNext(
        WorkEvent.newBuilder()
            .setTrace(
                RankTrace.newBuilder()
                    .setRank(order.getRank())
                    .setStartUnixMicros(1_000_000 + 500L * order.getRank())
                    .addNames("attend")
                    .addSpans(
                        TraceSpan.newBuilder()
                            .setKind(TraceKind.TRACE_KIND_COMPUTE)
                            .setStep(1)
                            .setStartMicros(7)
                            .setDurationMicros(40)))
            .build());
  }

  /** Those after the state to resume from, with the states that are asked for. */
  private static void steps(WorkOrder order, StreamObserver<WorkEvent> response, int last) {
    SamplingTask task = order.getSampling();
    if (order.getRank() == 0) {
      int steps = task.getRectifiedFlow().getSteps();
      for (int step = task.getResume().getStepsDone() + 1; step <= last; step++) {
        if (task.getCheckpointEvery() > 0 && step < steps) {
          response.onNext(state(task, step));
        }
        if (task.getPreviewEvery() > 0 && step % task.getPreviewEvery() == 0 && step < steps) {
          response.onNext(preview(step));
        }
        response.onNext(
            WorkEvent.newBuilder()
                .setStepFinished(StepFinished.newBuilder().setStep(step).setSteps(steps))
                .build());
      }
    }
  }

  /** Its colour is the step's. */
  private static WorkEvent preview(int step) {
    return WorkEvent.newBuilder()
        .setPreview(
            Preview.newBuilder()
                .setStep(step)
                .setWidth(512)
                .setHeight(32)
                .setRgb(ByteString.copyFrom(TestFrames.flat(512, 32, step))))
        .build();
  }

  /** All latents, each byte being the step. */
  private static WorkEvent state(SamplingTask task, int step) {
    var geometry = task.getGeometry();
    byte[] latents =
        new byte
            [card().getLatentChannels()
                * geometry.getLatentFrames()
                * geometry.getLatentHeight()
                * geometry.getLatentWidth()
                * Float.BYTES];
    Arrays.fill(latents, (byte) step);
    return WorkEvent.newBuilder()
        .setState(
            StatePart.newBuilder()
                .setStepsDone(step)
                .setLatents(
                    TensorSlice.newBuilder()
                        .setTensor(Tensor.newBuilder().setData(ByteString.copyFrom(latents)))))
        .build();
  }

  /** What each frame shows: those after given frames go on counting, from 0 where none are given. */
  private static int[] values(WorkOrder order) {
    SamplingTask task = order.getSampling();
    int[] values = new int[task.getGeometry().getLatentFrames()];
    int given = 0;
    if (task.hasGivenFrames()) {
      Tensor latents = task.getGivenFrames().getLatents();
      given = (int) latents.getShape(2);
      for (int frame = 0; frame < given; frame++) {
        values[frame] = latents.getData().byteAt(frame * frameBytes(task));
      }
    }
    for (int frame = given; frame < values.length; frame++) {
      values[frame] = frame == 0 ? 0 : values[frame - 1] + 1;
    }
    return values;
  }

  private static int frameBytes(SamplingTask task) {
    var geometry = task.getGeometry();
    return geometry.getLatentHeight() * geometry.getLatentWidth() * Float.BYTES;
  }

  /** Its frames' latents, each byte being what the frame shows. */
  private void finalLatents(WorkOrder order, StreamObserver<WorkEvent> response) {
    SamplingTask task = order.getSampling();
    int[] values = values(order);
    Range mine = new Partition(values.length, order.getGangCount()).of(order.getRank());
    if (!task.getCaptureList().contains("final") || mine.isEmpty()) {
      return;
    }
    if (behaviour == Behaviour.JUMP) {
      values[0]++;
    }
    int channels = card().getLatentChannels();
    ByteBuffer latents = ByteBuffer.allocate(channels * mine.size() * frameBytes(task));
    for (int channel = 0; channel < channels; channel++) {
      for (int frame = mine.start(); frame < mine.end(); frame++) {
        for (int i = 0; i < frameBytes(task); i++) {
          latents.put((byte) values[frame]);
        }
      }
    }
    response.onNext(
        WorkEvent.newBuilder()
            .setTensor(
                TensorSlice.newBuilder()
                    .setName("final")
                    .setStart(mine.start())
                    .setEnd(mine.end())
                    .setTensor(Tensor.newBuilder().setData(ByteString.copyFrom(latents.flip()))))
            .build());
  }

  @Override
  public void encodeFrames(
      EncodeFramesRequest request, StreamObserver<EncodeFramesResponse> response) {
    int value = TestFrames.indexOf(request.getRgb().substring(0, 3).toByteArray());
    int height = request.getHeight() / card().getSpatialCompression();
    int width = request.getWidth() / card().getSpatialCompression();
    byte[] latents = new byte[card().getLatentChannels() * height * width * Float.BYTES];
    Arrays.fill(latents, (byte) value);
    encodedFrames.add(value);
    response.onNext(
        EncodeFramesResponse.newBuilder()
            .setLatents(
                Tensor.newBuilder()
                    .setDataType(DataType.DATA_TYPE_F32)
                    .addAllShape(
                        List.of(
                            1L, (long) card().getLatentChannels(), 1L, (long) height, (long) width))
                    .setData(ByteString.copyFrom(latents)))
            .build());
    response.onCompleted();
  }

  /** Its range of frames, last one first. */
  private static void frames(WorkOrder order, StreamObserver<WorkEvent> response, int wrongWidth) {
    var geometry = order.getSampling().getGeometry();
    int width = (int) geometry.getPixelWidth() + wrongWidth;
    int height = (int) geometry.getPixelHeight();
    Range mine = new Partition(geometry.getPixelFrames(), order.getGangCount()).of(order.getRank());
    int[] values = values(order);
    int first = Math.max(mine.start(), order.getSampling().getDecodeFrom());
    for (int frame = mine.end() - 1; frame >= first; frame--) {
      response.onNext(
          WorkEvent.newBuilder()
              .setFrames(
                  DecodedFrames.newBuilder()
                      .setFirstFrame(frame)
                      .setFrames(1)
                      .setWidth(width)
                      .setHeight(height)
                      .setRgb(ByteString.copyFrom(TestFrames.flat(width, height, values[frame]))))
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
                    .setExchangeHidden(Durations.fromMillis(5))
                    .setIdle(Durations.fromMillis(6))
                    .setSampling(Durations.fromMillis(56))
                    .setExchangedBytes(700L + order.getRank())
                    .setPeakDeviceBytes(9000)
                    .setPeakExchangeBytes(800)
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
