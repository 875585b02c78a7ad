package dev.longtake.coordinator.api;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.process.PromptLog;
import dev.longtake.common.tracing.Tracing;
import dev.longtake.coordinator.access.Caller;
import dev.longtake.coordinator.artifacts.JobArtifacts;
import dev.longtake.coordinator.cache.EmbeddingCache;
import dev.longtake.coordinator.fleet.Fleet;
import dev.longtake.coordinator.jobs.EncodedPrompt;
import dev.longtake.coordinator.jobs.FrameEncoder;
import dev.longtake.coordinator.jobs.JobEntry;
import dev.longtake.coordinator.jobs.JobStates;
import dev.longtake.coordinator.jobs.JobStore;
import dev.longtake.coordinator.jobs.NewJob;
import dev.longtake.coordinator.jobs.Planning;
import dev.longtake.coordinator.jobs.PlanningInputs;
import dev.longtake.coordinator.trace.TraceFiles;
import dev.longtake.coordinator.video.MediaReader;
import dev.longtake.v1.CancelJobRequest;
import dev.longtake.v1.ContinuationRequest;
import dev.longtake.v1.ContinuationToken;
import dev.longtake.v1.DownloadRequest;
import dev.longtake.v1.GenerationGrpc;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.GetJobRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobEvent;
import dev.longtake.v1.JobState;
import dev.longtake.v1.ListJobsRequest;
import dev.longtake.v1.ListJobsResponse;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.PreviewsRequest;
import dev.longtake.v1.SegmentPrompt;
import dev.longtake.v1.StreamRequest;
import dev.longtake.v1.SubmitRequest;
import dev.longtake.v1.TraceChunk;
import dev.longtake.v1.TraceRequest;
import dev.longtake.v1.VideoChunk;
import dev.longtake.v1.VideoPreview;
import dev.longtake.v1.WatchRequest;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.Executor;
import java.util.function.LongSupplier;
import java.util.random.RandomGenerator;

/** The Generation service. Failures are thrown; {@link ErrorMappingInterceptor} makes statuses of them. */
public final class GenerationService extends GenerationGrpc.GenerationImplBase {
  private static final int DEFAULT_LIST_LIMIT = 100;
  private static final int MAX_LIST_LIMIT = 1000;

  private final Fleet fleet;
  private final JobStore jobs;
  private final CallersJobs callersJobs;
  private final Planning planning;
  private final JobArtifacts artifacts;
  private final TraceFiles traces;
  private final RequestValidator validator;
  private final PromptEncoder encoder;
  private final Beginnings beginnings;
  private final Continuations continuations;
  private final LongSupplier nanoTime;
  private final Executor executor;

  /**
   * @param planning checks plans that were asked for
   * @param artifacts videos
   * @param traces of jobs that are done
   * @param media reads what videos begin with
   * @param encodeTimeout for a worker to encode a prompt or a frame
   * @param embeddings of prompts that were encoded before
   * @param seeds for requests without a seed
   * @param nanoTime a monotonic clock
   * @param executor sends events to watchers
   */
  public GenerationService(
      Fleet fleet,
      JobStore jobs,
      Planning planning,
      JobArtifacts artifacts,
      TraceFiles traces,
      MediaReader media,
      Duration encodeTimeout,
      EmbeddingCache embeddings,
      RandomGenerator seeds,
      LongSupplier nanoTime,
      Executor executor) {
    this.fleet = fleet;
    this.jobs = jobs;
    this.callersJobs = new CallersJobs(jobs);
    this.planning = planning;
    this.artifacts = artifacts;
    this.traces = traces;
    this.validator = new RequestValidator(seeds);
    this.encoder = new PromptEncoder(fleet, encodeTimeout, embeddings);
    this.beginnings = new Beginnings(fleet, media, new FrameEncoder(encodeTimeout));
    this.continuations = new Continuations(artifacts);
    this.nanoTime = nanoTime;
    this.executor = executor;
  }

  @Override
  public void submit(SubmitRequest request, StreamObserver<Job> response) {
    NewJob.Terms terms = SubmitTerms.of(request, Caller.current());
    // A retry is answered even where the same request would be refused by now.
    Optional<JobEntry> same = jobs.find(terms.key(), terms.requestDigest());
    JobEntry entry = same.isPresent() ? same.get() : queue(request, terms);
    Tracing.tag(Tracing.JOB_ID, entry.id());
    response.onNext(entry.snapshot());
    response.onCompleted();
  }

  private JobEntry queue(SubmitRequest submitted, NewJob.Terms terms) {
    ModelCard card = fleet.model().orElseThrow(PromptEncoder::noWorkers);
    GenerationRequest complete = validator.complete(Beginnings.request(submitted), card);
    requireEnoughWorkers(complete, card);
    jobs.requireRoom(terms);
    long startNanos = nanoTime.getAsLong();
    EncodedPrompt prompt =
        encoder.encode(
            complete.getPrompt(),
            complete.getLongVideo().getPromptsList().stream()
                .map(SegmentPrompt::getPrompt)
                .toList(),
            card);
    Duration encoding = Duration.ofNanos(nanoTime.getAsLong() - startNanos);
    requirePlanFits(complete, card, prompt);
    Optional<NewJob.GivenBeginning> beginning = beginnings.given(submitted, complete, card);
    JobEntry entry = jobs.submit(new NewJob(complete, card, prompt, encoding, terms, beginning));
    PromptLog.submitted(entry.id(), complete.getPrompt());
    return entry;
  }

  /** Before a prompt is encoded for nothing. */
  private void requireEnoughWorkers(GenerationRequest request, ModelCard card) {
    if (request.hasPlan()) {
      RequestedPlans.requireWorkers(
          request.getPlan(), card.getProfile(), fleet.membersById().size());
    }
  }

  /** A plan that was asked for and doesn't fit is refused at once, not when its turn comes. */
  private void requirePlanFits(GenerationRequest request, ModelCard card, EncodedPrompt prompt) {
    if (request.hasPlan()) {
      planning.forced(
          request.getPlan(),
          PlanningInputs.workload(request, card, PlanningInputs.textTokens(prompt)),
          PlanningInputs.cluster(fleet.membersById(), fleet.links(), request.getPrecision()));
    }
  }

  @Override
  public void watch(WatchRequest request, StreamObserver<JobEvent> response) {
    JobEntry entry = callersJobs.get(request.getJobId());
    if (request.getAfterSequence() < 0) {
      throw LongtakeException.invalidField(
          "after_sequence",
          "Expected a sequence of at least 0, but got %d".formatted(request.getAfterSequence()));
    }
    EventStream.start(
        entry, request.getAfterSequence(), (ServerCallStreamObserver<JobEvent>) response, executor);
  }

  @Override
  public void get(GetJobRequest request, StreamObserver<Job> response) {
    response.onNext(callersJobs.get(request.getJobId()).snapshot());
    response.onCompleted();
  }

  @Override
  public void list(ListJobsRequest request, StreamObserver<ListJobsResponse> response) {
    int limit = request.getLimit() == 0 ? DEFAULT_LIST_LIMIT : request.getLimit();
    if (limit < 1 || limit > MAX_LIST_LIMIT) {
      throw LongtakeException.invalidField(
          "limit",
          "Expected a limit of 1 to %d, or 0 for %d, but got %d"
              .formatted(MAX_LIST_LIMIT, DEFAULT_LIST_LIMIT, limit));
    }
    response.onNext(ListJobsResponse.newBuilder().addAllJobs(callersJobs.list(limit)).build());
    response.onCompleted();
  }

  @Override
  public void cancel(CancelJobRequest request, StreamObserver<Job> response) {
    response.onNext(callersJobs.cancel(request.getJobId()));
    response.onCompleted();
  }

  @Override
  public void download(DownloadRequest request, StreamObserver<VideoChunk> response) {
    JobEntry entry = callersJobs.get(request.getJobId());
    Path video = requireVideo(entry);
    FileStream.start(
        video,
        "video",
        request.getOffset(),
        (offset, data) -> VideoChunk.newBuilder().setOffset(offset).setData(data).build(),
        (ServerCallStreamObserver<VideoChunk>) response);
  }

  @Override
  public void stream(StreamRequest request, StreamObserver<VideoChunk> response) {
    JobEntry entry = callersJobs.get(request.getJobId());
    GrowingStream.start(
        entry,
        artifacts.stream(entry.id()),
        request.getOffset(),
        (ServerCallStreamObserver<VideoChunk>) response,
        executor);
  }

  @Override
  public void previews(PreviewsRequest request, StreamObserver<VideoPreview> response) {
    PreviewStream.start(
        callersJobs.get(request.getJobId()),
        (ServerCallStreamObserver<VideoPreview>) response,
        executor);
  }

  @Override
  public void continuation(
      ContinuationRequest request, StreamObserver<ContinuationToken> response) {
    JobEntry entry = callersJobs.get(request.getJobId());
    response.onNext(continuations.of(entry));
    response.onCompleted();
  }

  @Override
  public void trace(TraceRequest request, StreamObserver<TraceChunk> response) {
    JobEntry entry = callersJobs.get(request.getJobId());
    requireDone(entry);
    Path trace =
        traces
            .find(entry.id())
            .orElseThrow(() ->
                new LongtakeException(
                    ErrorCode.WRONG_STATE,
                    "Expected a job with a trace, but that of job %s was forgotten, or its workers recorded none; traces of the last %d jobs are kept"
                        .formatted(entry.id(), TraceFiles.KEPT_JOBS)));
    FileStream.start(
        trace,
        "trace",
        0,
        (offset, data) -> TraceChunk.newBuilder().setOffset(offset).setData(data).build(),
        (ServerCallStreamObserver<TraceChunk>) response);
  }

  private Path requireVideo(JobEntry entry) {
    requireDone(entry);
    Path video = artifacts.video(entry.id());
    if (!Files.isRegularFile(video)) {
      throw new LongtakeException(
          ErrorCode.WRONG_STATE,
          "Expected the video of job %s at %s, but somebody deleted it; submit the job's request again, which makes the same video"
              .formatted(entry.id(), video));
    }
    return video;
  }

  private static void requireDone(JobEntry entry) {
    JobState state = entry.snapshot().getState();
    if (state != JobState.JOB_STATE_DONE) {
      throw new LongtakeException(
          ErrorCode.WRONG_STATE,
          "Expected a job that is done, but job %s is %s; watch it until it has ended"
              .formatted(entry.id(), JobStates.name(state)));
    }
  }
}
