package dev.longtake.client;

import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import com.google.protobuf.Duration;
import com.google.protobuf.util.Durations;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import dev.longtake.v1.BlockRange;
import dev.longtake.v1.BlockTimes;
import dev.longtake.v1.CancelJobRequest;
import dev.longtake.v1.ClusterGrpc;
import dev.longtake.v1.ClusterStatus;
import dev.longtake.v1.ContinuationRequest;
import dev.longtake.v1.ContinuationToken;
import dev.longtake.v1.DownloadRequest;
import dev.longtake.v1.ExplainRequest;
import dev.longtake.v1.ExplainResponse;
import dev.longtake.v1.GenerationGrpc;
import dev.longtake.v1.GetJobRequest;
import dev.longtake.v1.IntRange;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobEvent;
import dev.longtake.v1.JobState;
import dev.longtake.v1.LinkTimes;
import dev.longtake.v1.ListJobsRequest;
import dev.longtake.v1.ListJobsResponse;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.ModelRequest;
import dev.longtake.v1.Plan;
import dev.longtake.v1.PlanPrediction;
import dev.longtake.v1.PreviewsRequest;
import dev.longtake.v1.RankTime;
import dev.longtake.v1.StageTime;
import dev.longtake.v1.StatusRequest;
import dev.longtake.v1.StreamRequest;
import dev.longtake.v1.SubmitRequest;
import dev.longtake.v1.TraceChunk;
import dev.longtake.v1.TraceRequest;
import dev.longtake.v1.Video;
import dev.longtake.v1.VideoChunk;
import dev.longtake.v1.VideoPreview;
import dev.longtake.v1.WatchRequest;
import dev.longtake.v1.WorkerDescription;
import dev.longtake.v1.WorkerPrediction;
import dev.longtake.v1.WorkerStatus;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/** A coordinator that has one finished job, and breaks as the test asks. */
public final class ScriptedServer implements AutoCloseable {
  public static final int STEPS = 3;
  public static final int CHUNK_BYTES = 1000;

  public final byte[] video = new byte[10 * CHUNK_BYTES + 17];
  public final byte[] trace = new byte[2 * CHUNK_BYTES + 560];

  /** How many streams of events break off after two events each. */
  public final AtomicInteger watchesToBreak = new AtomicInteger();

  /** How many downloads and streams break off after three chunks each. */
  public final AtomicInteger downloadsToBreak = new AtomicInteger();

  /** How many streams of traces break off after one chunk each. */
  public final AtomicInteger tracesToBreak = new AtomicInteger();

  /** The first byte of the video is sent wrong while this is positive. */
  public final AtomicInteger downloadsToSpoil = new AtomicInteger();

  public final List<Long> downloadOffsets = new CopyOnWriteArrayList<>();
  public final List<Long> watchSequences = new CopyOnWriteArrayList<>();
  public final List<SubmitRequest> submitted = new CopyOnWriteArrayList<>();
  public final List<ExplainRequest> explained = new CopyOnWriteArrayList<>();
  public final List<String> cancelled = new CopyOnWriteArrayList<>();

  /** Whether every call is refused, as by a coordinator that does not lead. */
  public volatile boolean isStandby;

  /** How often the model was asked for. */
  public final AtomicInteger modelCalls = new AtomicInteger();

  /** Of the model's width, height and frames. */
  public volatile int largest = 128;

  public volatile int previewEvery;

  /** Counted down when a watch that stays open was cancelled; null: watches end with their job. */
  public volatile @Nullable CountDownLatch openWatchCancelled;

  /** Run before a watch breaks. */
  public volatile Runnable onWatchBreaks = () -> {};

  public volatile JobState endState = JobState.JOB_STATE_DONE;

  private final Server server;

  public ScriptedServer() throws IOException {
    new Random(1).nextBytes(video);
    new Random(2).nextBytes(trace);
    server =
        NettyServerBuilder.forAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
            .addService(new Generation())
            .addService(new Cluster())
            .intercept(new RefusalOfStandby())
            .build()
            .start();
  }

  public String address() {
    return "127.0.0.1:" + server.getPort();
  }

  @Override
  public void close() {
    try {
      server.shutdownNow().awaitTermination(10, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** The job as it is once it has ended. */
  public Job job() throws NoSuchAlgorithmException {
    var job =
        Job.newBuilder()
            .setId("job-1")
            .setState(endState)
            .setPlan(plan())
            .addWorkerIds("w1")
            .addWorkerIds("w2");
    job.getRequestBuilder()
        .setPrompt("a cat")
        .setSeed(-1)
        .setSteps(STEPS)
        .setPreviewEvery(previewEvery);
    switch (endState) {
      case JOB_STATE_DONE ->
          job.setVideo(
                  Video.newBuilder()
                      .setWidth(64)
                      .setHeight(32)
                      .setFrames(17)
                      .setFps(8)
                      .setSizeBytes(video.length)
                      .setSha256(
                          HexFormat.of()
                              .formatHex(MessageDigest.getInstance("SHA-256").digest(video))))
              .addStageTimes(
                  StageTime.newBuilder()
                      .setStage("text encoder")
                      .setDuration(Duration.newBuilder().setNanos(250_000_000)))
              .addStageTimes(
                  StageTime.newBuilder()
                      .setStage("sampling: compute")
                      .setDuration(Duration.newBuilder().setSeconds(2)))
              .addRankTimes(
                  RankTime.newBuilder()
                      .setWorkerId("w1")
                      .setCompute(millis(1500))
                      .setExchangeExposed(millis(100))
                      .setExchangeHidden(millis(200))
                      .setIdle(millis(500))
                      .setSampling(millis(2100))
                      .setSentBytes(2048))
              .addRankTimes(
                  RankTime.newBuilder()
                      .setWorkerId("w2")
                      .setCompute(millis(1250))
                      .setIdle(millis(750))
                      .setSampling(millis(2000)));
      case JOB_STATE_FAILED ->
          job.getErrorBuilder().setReason("PEER_LOST").setMessage("worker w2 died in step 2");
      case JOB_STATE_UNSPECIFIED,
          JOB_STATE_QUEUED,
          JOB_STATE_RUNNING,
          JOB_STATE_CANCELED,
          UNRECOGNIZED -> {}
    }
    return job.build();
  }

  private static Plan plan() {
    return Plan.newBuilder()
        .setSequenceRanks(1)
        .addStages(BlockRange.newBuilder().setStart(0).setEnd(3))
        .addStages(BlockRange.newBuilder().setStart(3).setEnd(4))
        .setMicroBatches(2)
        .setReason("both idle")
        .setPrediction(
            PlanPrediction.newBuilder()
                .setStep(millis(600))
                .setExposedExchange(millis(10))
                .setJobsInFlight(2)
                .addWorkers(WorkerPrediction.newBuilder().setSentBytes(700)))
        .build();
  }

  private static Duration millis(int millis) {
    return Durations.fromMillis(millis);
  }

  private List<JobEvent> events() throws NoSuchAlgorithmException {
    var events = new ArrayList<JobEvent>();
    events.add(JobEvent.newBuilder().setQueued(JobEvent.Queued.getDefaultInstance()).build());
    events.add(
        JobEvent.newBuilder()
            .setPlanned(JobEvent.Planned.newBuilder().setPlan(job().getPlan()))
            .build());
    for (int step = 1; step <= STEPS; step++) {
      events.add(
          JobEvent.newBuilder()
              .setStepDone(JobEvent.StepDone.newBuilder().setStep(step).setSteps(STEPS))
              .build());
    }
    events.add(JobEvent.newBuilder().setEnded(job()).build());
    for (int i = 0; i < events.size(); i++) {
      events.set(i, events.get(i).toBuilder().setSequence(i + 1).build());
    }
    return events;
  }

  /** A refusal as the coordinator words it. */
  private static StatusRuntimeException refusal(
      Status.Code code, String reason, String field, String message) {
    var status =
        com.google.rpc.Status.newBuilder()
            .setCode(code.value())
            .setMessage(message)
            .addDetails(
                Any.pack(
                    ErrorInfo.newBuilder().setDomain("longtake.dev").setReason(reason).build()));
    if (!field.isEmpty()) {
      var request = BadRequest.newBuilder();
      request.addFieldViolationsBuilder().setField(field).setDescription(message);
      status.addDetails(Any.pack(request.build()));
    }
    return StatusProto.toStatusRuntimeException(status.build());
  }

  private static StatusRuntimeException noSuchJob(String id) {
    return refusal(
        Status.Code.NOT_FOUND,
        "NO_SUCH_JOB",
        "",
        "Expected the id of a job, but got '%s'".formatted(id));
  }

  private final class RefusalOfStandby implements ServerInterceptor {
    @Override
    public <Q, A> ServerCall.Listener<Q> interceptCall(
        ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
      if (!isStandby) {
        return next.startCall(call, headers);
      }
      StatusRuntimeException refusal =
          refusal(Status.Code.UNAVAILABLE, "NOT_LEADER", "", "Expected the coordinator that leads");
      call.close(refusal.getStatus(), refusal.getTrailers());
      return new ServerCall.Listener<>() {};
    }
  }

  private final class Generation extends GenerationGrpc.GenerationImplBase {
    @Override
    public void submit(SubmitRequest request, StreamObserver<Job> reply) {
      if (request.getRequest().getPrompt().isEmpty() && !request.hasContinuation()) {
        reply.onError(
            refusal(
                Status.Code.INVALID_ARGUMENT,
                "INVALID_REQUEST",
                "prompt",
                "Expected a prompt, but it is empty"));
        return;
      }
      submitted.add(request);
      reply.onNext(Job.newBuilder().setId("job-1").setRequest(request.getRequest()).build());
      reply.onCompleted();
    }

    @Override
    public void get(GetJobRequest request, StreamObserver<Job> reply) {
      if (!request.getJobId().equals("job-1")) {
        reply.onError(noSuchJob(request.getJobId()));
        return;
      }
      answerWithJob(reply);
    }

    @Override
    public void cancel(CancelJobRequest request, StreamObserver<Job> reply) {
      cancelled.add(request.getJobId());
      answerWithJob(reply);
    }

    private void answerWithJob(StreamObserver<Job> reply) {
      try {
        reply.onNext(job());
        reply.onCompleted();
      } catch (NoSuchAlgorithmException e) {
        reply.onError(e);
      }
    }

    @Override
    public void list(ListJobsRequest request, StreamObserver<ListJobsResponse> reply) {
      try {
        reply.onNext(ListJobsResponse.newBuilder().addJobs(job()).build());
        reply.onCompleted();
      } catch (NoSuchAlgorithmException e) {
        reply.onError(e);
      }
    }

    @Override
    public void watch(WatchRequest request, StreamObserver<JobEvent> reply) {
      watchSequences.add(request.getAfterSequence());
      CountDownLatch cancelled = openWatchCancelled;
      if (cancelled != null) {
        ((ServerCallStreamObserver<JobEvent>) reply).setOnCancelHandler(cancelled::countDown);
        reply.onNext(
            JobEvent.newBuilder()
                .setSequence(1)
                .setQueued(JobEvent.Queued.getDefaultInstance())
                .build());
        return;
      }
      boolean isToBreak = watchesToBreak.getAndDecrement() > 0;
      int sent = 0;
      try {
        for (JobEvent event : events()) {
          if (event.getSequence() > request.getAfterSequence()) {
            if (isToBreak && sent++ == 2) {
              onWatchBreaks.run();
              reply.onError(Status.UNAVAILABLE.withDescription("the link broke").asException());
              return;
            }
            reply.onNext(event);
          }
        }
        reply.onCompleted();
      } catch (NoSuchAlgorithmException e) {
        reply.onError(e);
      }
    }

    @Override
    public void trace(TraceRequest request, StreamObserver<TraceChunk> reply) {
      if (!request.getJobId().equals("job-1")) {
        reply.onError(noSuchJob(request.getJobId()));
        return;
      }
      boolean isToBreak = tracesToBreak.getAndDecrement() > 0;
      for (int start = 0; start < trace.length; start += CHUNK_BYTES) {
        if (isToBreak && start > 0) {
          reply.onError(Status.UNAVAILABLE.withDescription("the link broke").asException());
          return;
        }
        int length = Math.min(CHUNK_BYTES, trace.length - start);
        reply.onNext(
            TraceChunk.newBuilder()
                .setOffset(start)
                .setData(ByteString.copyFrom(trace, start, length))
                .build());
      }
      reply.onCompleted();
    }

    @Override
    public void download(DownloadRequest request, StreamObserver<VideoChunk> reply) {
      downloadOffsets.add(request.getOffset());
      boolean isToSpoil = downloadsToSpoil.getAndDecrement() > 0;
      byte[] bytes = video.clone();
      bytes[0] ^= (byte) (isToSpoil ? 1 : 0);
      send(bytes, request.getOffset(), reply);
    }

    @Override
    public void stream(StreamRequest request, StreamObserver<VideoChunk> reply) {
      if (!request.getJobId().equals("job-1")) {
        reply.onError(noSuchJob(request.getJobId()));
        return;
      }
      downloadOffsets.add(request.getOffset());
      send(video, request.getOffset(), reply);
    }

    @Override
    public void previews(PreviewsRequest request, StreamObserver<VideoPreview> reply) {
      for (int step = 5; step <= 25; step += 5) {
        reply.onNext(
            VideoPreview.newBuilder()
                .setSegment(1)
                .setStep(step)
                .setSteps(30)
                .setPng(ByteString.copyFrom(new byte[] {(byte) step}))
                .build());
        if (step == 15 && downloadsToBreak.getAndDecrement() > 0) {
          reply.onError(Status.UNAVAILABLE.withDescription("the link broke").asException());
          return;
        }
      }
      reply.onCompleted();
    }

    @Override
    public void continuation(ContinuationRequest request, StreamObserver<ContinuationToken> reply) {
      if (!request.getJobId().equals("job-1")) {
        reply.onError(noSuchJob(request.getJobId()));
        return;
      }
      reply.onNext(
          ContinuationToken.newBuilder()
              .setToken(ByteString.copyFrom(trace))
              .setSegments(2)
              .setFrames(24)
              .build());
      reply.onCompleted();
    }

    private void send(byte[] bytes, long offset, StreamObserver<VideoChunk> reply) {
      boolean isToBreak = downloadsToBreak.getAndDecrement() > 0;
      int sent = 0;
      for (int start = (int) offset; start < bytes.length; start += CHUNK_BYTES) {
        if (isToBreak && sent++ == 3) {
          reply.onError(Status.UNAVAILABLE.withDescription("the link broke").asException());
          return;
        }
        int length = Math.min(CHUNK_BYTES, bytes.length - start);
        reply.onNext(
            VideoChunk.newBuilder()
                .setOffset(start)
                .setData(ByteString.copyFrom(bytes, start, length))
                .build());
      }
      reply.onCompleted();
    }
  }

  private ModelCard model() {
    IntRange range =
        IntRange.newBuilder()
            .setMin(16)
            .setMax(largest)
            .setMultipleOf(16)
            .setDefaultValue(64)
            .build();
    return ModelCard.newBuilder()
        .setName("demo")
        .setArchitecture("STDiT3")
        .setBlocks(8)
        .setParameters(1_234_567)
        .setWidth(range)
        .setHeight(range)
        .setFrames(range)
        .setDefaultSteps(30)
        .setDefaultGuidance(7)
        .setFps(8)
        .setMaxTextTokens(32)
        .build();
  }

  private final class Cluster extends ClusterGrpc.ClusterImplBase {
    @Override
    public void explain(ExplainRequest request, StreamObserver<ExplainResponse> reply) {
      explained.add(request);
      reply.onNext(ExplainResponse.newBuilder().setConsidered(3).build());
      reply.onCompleted();
    }

    @Override
    public void model(ModelRequest request, StreamObserver<ModelCard> reply) {
      modelCalls.incrementAndGet();
      reply.onNext(ScriptedServer.this.model());
      reply.onCompleted();
    }

    @Override
    public void status(StatusRequest request, StreamObserver<ClusterStatus> reply) {
      reply.onNext(
          ClusterStatus.newBuilder()
              .setVersion("0.1.0")
              .setModel(ScriptedServer.this.model())
              .addWorkers(
                  WorkerStatus.newBuilder()
                      .setJobId("j1")
                      .addJobIds("j1")
                      .addJobIds("j2")
                      .setBlockTimes(BlockTimes.getDefaultInstance())
                      .setDescription(
                          WorkerDescription.newBuilder()
                              .setId("w1")
                              .setAddress("127.0.0.1:7401")
                              .setDevice("cuda")
                              .setDeviceDetail("NVIDIA L4")
                              .setDeviceUuid("GPU-7")
                              .setMemoryTotalBytes(3L << 30)))
              .addLinks(LinkTimes.newBuilder().setBytesPerSecond(0.8e9).setLatencySeconds(5e-5))
              .addLinks(LinkTimes.newBuilder().setBytesPerSecond(1.2e9).setLatencySeconds(7e-5))
              .setRunningJobs(1)
              .build());
      reply.onCompleted();
    }
  }
}
