package dev.longtake.coordinator.jobs;

import com.google.protobuf.util.Durations;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.coordinator.artifacts.JobArtifacts;
import dev.longtake.coordinator.fleet.Fleet;
import dev.longtake.coordinator.fleet.Gang;
import dev.longtake.coordinator.fleet.Member;
import dev.longtake.coordinator.measure.Measurer;
import dev.longtake.coordinator.measure.Observation;
import dev.longtake.coordinator.planner.Clips;
import dev.longtake.coordinator.trace.TraceFiles;
import dev.longtake.coordinator.video.FrameSpool;
import dev.longtake.coordinator.video.Mp4Writer;
import dev.longtake.coordinator.video.VideoFile;
import dev.longtake.coordinator.video.VideoFormat;
import dev.longtake.v1.ClipGeometry;
import dev.longtake.v1.DecodedFrames;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobEvent;
import dev.longtake.v1.Plan;
import dev.longtake.v1.RankTrace;
import dev.longtake.v1.StepFinished;
import dev.longtake.v1.Video;
import dev.longtake.v1.WorkEvent;
import dev.longtake.v1.WorkFinished;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.ScheduledExecutorService;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Runs a job that was started on its gang: orders out, progress, checkpoints and frames in, MP4 written, workers released. A job that lost
 * its workers goes back to the queue, and goes on from its last checkpoint.
 */
public final class JobRunner {
  private static final Logger log = LoggerFactory.getLogger(JobRunner.class);

  private final JobStore store;
  private final JobArtifacts artifacts;
  private final Fleet fleet;
  private final Measurer measurer;
  private final TraceFiles traces;
  private final RunSettings settings;
  private final LongSupplier nanoTime;
  private final ScheduledExecutorService timer;

  /**
   * @param artifacts keeps prompts, checkpoints and videos
   * @param measurer told how well predictions were met
   * @param traces gets the trace of each job
   * @param nanoTime a monotonic clock
   * @param timer for short retries; the caller's
   */
  public JobRunner(
      JobStore store,
      JobArtifacts artifacts,
      Fleet fleet,
      Measurer measurer,
      TraceFiles traces,
      RunSettings settings,
      LongSupplier nanoTime,
      ScheduledExecutorService timer) {
    this.store = store;
    this.artifacts = artifacts;
    this.fleet = fleet;
    this.measurer = measurer;
    this.traces = traces;
    this.settings = settings;
    this.nanoTime = nanoTime;
    this.timer = timer;
  }

  /**
   * Runs one attempt, blocking; whatever happens, the job ends or waits again, and the gang is closed.
   *
   * @param waitedNanos from submission to the first start
   */
  void run(JobEntry entry, Gang gang, long waitedNanos) {
    long attempt = entry.snapshot().getAttempt();
    Kept kept = new Kept();
    try (gang) {
      Outcome outcome = generate(entry, attempt, gang, waitedNanos, kept);
      if (store.end(entry, attempt, outcome)) {
        log.info("Job {} is done", entry.id());
      } else {
        artifacts.deleteVideo(entry.id());
      }
    } catch (LongtakeException e) {
      gang.close();
      retryOrFail(entry, attempt, kept, e);
    } catch (InterruptedException e) {
      // The store has put the job back, or will do so when the coordinator is started again.
      Thread.currentThread().interrupt();
    } catch (RuntimeException e) {
      log.error("Job {} failed by our mistake", entry.id(), e);
      store.end(
          entry,
          attempt,
          new Outcome.Failed(
              ErrorCode.INTERNAL,
              "Internal error (%s); the coordinator's log has the details"
                  .formatted(e.getClass().getSimpleName())));
    } finally {
      store.released(entry, attempt);
    }
  }

  /** Steps that need not be done again. */
  private static final class Kept {
    int before;
    int now;
  }

  private void retryOrFail(JobEntry entry, long attempt, Kept kept, LongtakeException failure) {
    int fruitless = kept.now > kept.before ? 0 : entry.fruitlessAttempts() + 1;
    boolean again = isWorthAnother(failure.code()) && fruitless < settings.maxFruitlessAttempts();
    if (again) {
      if (store.requeue(entry, attempt, failure.getMessage(), kept.now, fruitless)) {
        log.warn(
            "Job {} waits again with {} steps kept, {}: {}",
            entry.id(),
            kept.now,
            failure.code(),
            failure.getMessage());
      }
    } else if (store.end(entry, attempt, Outcome.Failed.of(failure))) {
      log.warn("Job {} failed, {}: {}", entry.id(), failure.code(), failure.getMessage());
    }
  }

  /** Whether it was a process or a link that failed, not the job. */
  private static boolean isWorthAnother(ErrorCode code) {
    return switch (code) {
      case WORKER_LOST,
          PEER_LOST,
          PROCESS_DIED,
          STALE_ATTEMPT,
          CHECKSUM_MISMATCH,
          TIMED_OUT,
          UNREACHABLE,
          NO_WORKERS,
          WORKER_BUSY,
          WRONG_STATE,
          NOT_LEADER,
          STORAGE_UNAVAILABLE ->
          true;
      case INVALID_REQUEST,
          INVALID_MODEL,
          INVALID_CHECKPOINT,
          NO_SUCH_WORKER,
          NO_SUCH_JOB,
          MODEL_MISMATCH,
          BUILD_MISMATCH,
          WORKER_ID_IN_USE,
          PORT_IN_USE,
          CANCELED,
          QUEUE_FULL,
          OUT_OF_MEMORY,
          INTERNAL ->
          false;
    };
  }

  private Outcome generate(JobEntry entry, long attempt, Gang gang, long waitedNanos, Kept kept)
      throws InterruptedException {
    // An attempt whose number is not stored might be made twice.
    if (!entry.awaitStored(settings.stallTimeout())) {
      throw new LongtakeException(
          ErrorCode.STORAGE_UNAVAILABLE, "The database did not store that the job was started");
    }
    AttemptStart start =
        new AttemptStart(
            attempt, artifacts.readPrompt(entry.id()), artifacts.latestState(entry.id()));
    kept.before = start.stepsKept();
    kept.now = kept.before;
    GenerationRequest request = entry.request();
    VideoFormat format =
        new VideoFormat(
            request.getWidth(), request.getHeight(), request.getUpscale(), entry.card().getFps());
    try (FrameSpool spool =
        FrameSpool.open(
            settings.spoolFolder(), entry.id(), request.getFrames(), format.frameBytes())) {
      List<WorkFinished> reports;
      Progress progress;
      Checkpointer checkpointer =
          Checkpointer.start(
              artifacts, entry.id(), new StateCollector(latentShape(entry)), kept.before);
      try (checkpointer) {
        progress = new Progress(attempt, spool, checkpointer, new StepClock(nanoTime.getAsLong()));
        reports = sample(entry, start, gang, progress);
      } finally {
        kept.now = checkpointer.stepsKept();
      }
      spool.requireComplete();
      // The workers have done their part: the next job may start while this one's video is written.
      gang.close();
      compareWithPrediction(entry, gang, progress.steps, reports);
      writeTrace(entry, progress.traces.values());
      long startNanos = nanoTime.getAsLong();
      VideoFile file = writeVideo(entry, attempt, spool, format);
      long writeNanos = nanoTime.getAsLong() - startNanos;
      Video video =
          Video.newBuilder()
              .setWidth(format.outputWidth())
              .setHeight(format.outputHeight())
              .setFrames(file.frames())
              .setFps(format.fps())
              .setSizeBytes(file.sizeBytes())
              .setSha256(file.sha256())
              .build();
      return new Outcome.Done(
          video,
          Reports.stageTimes(entry.textEncoderTime(), reports, waitedNanos, writeNanos),
          Reports.rankTimes(gang.workerIds(), reports),
          Reports.reuse(entry.embeddingReuse(), reports));
    }
  }

  private static List<Long> latentShape(JobEntry entry) {
    ClipGeometry clip = Clips.geometry(entry.card(), entry.request());
    return List.of(
        1L,
        (long) entry.card().getLatentChannels(),
        (long) clip.getLatentFrames(),
        (long) clip.getLatentHeight(),
        (long) clip.getLatentWidth());
  }

  /** What comes in during an attempt: frames, states, the times of steps, and the ranks' traces in order of the ranks. */
  private record Progress(
      long attempt,
      FrameSpool spool,
      Checkpointer checkpointer,
      StepClock steps,
      ConcurrentSkipListMap<Integer, RankTrace> traces) {
    Progress(long attempt, FrameSpool spool, Checkpointer checkpointer, StepClock steps) {
      this(attempt, spool, checkpointer, steps, new ConcurrentSkipListMap<>());
    }
  }

  private List<WorkFinished> sample(
      JobEntry entry, AttemptStart start, Gang gang, Progress progress)
      throws InterruptedException {
    List<Member> members = gang.members();
    GangRun run =
        new GangRun(
            members.size(),
            (rank, onEvent, onEnd) ->
                new RankCall(
                    members.get(rank),
                    WorkOrders.order(entry, start, members, rank, settings),
                    onEvent,
                    onEnd,
                    timer,
                    nanoTime),
            rank -> event -> onEvent(entry, rank, event, progress),
            settings,
            nanoTime);
    try (JobEntry.Subscription _ =
        entry.whenStopped(() -> {
          if (!entry.isRunning(start.attempt())) {
            run.abort();
          }
        })) {
      if (!entry.isRunning(start.attempt())) {
        throw new LongtakeException(
            ErrorCode.CANCELED, "The job ended before its workers were called");
      }
      return run.run();
    } finally {
      // Before the gang is closed, so that the next job can't get a worker whose process has just
      // died.
      run.broken().forEach(call -> fleet.doubt(call.member()));
    }
  }

  /** Tells the measurer how well the prediction was met, where the workers had nothing else to do. */
  private void compareWithPrediction(
      JobEntry entry, Gang gang, StepClock steps, List<WorkFinished> reports) {
    Plan plan = entry.snapshot().getPlan();
    var step = steps.medianStep();
    double predicted = Reports.seconds(plan.getPrediction().getStep());
    if (gang.wasShared() || step.isEmpty() || predicted <= 0) {
      return;
    }
    measurer.observed(
        new Observation(
            gang.members(),
            entry.request().getPrecision(),
            step.get().toNanos() / 1e9,
            predicted,
            Reports.exposedSeconds(reports, entry.request().getSteps()),
            Reports.seconds(plan.getPrediction().getExposedExchange())));
  }

  /** A video is worth more than its trace: what goes wrong here is only logged. */
  private void writeTrace(JobEntry entry, Collection<RankTrace> ranks) {
    if (ranks.isEmpty() || entry.isTerminal()) {
      return;
    }
    Job job = entry.snapshot();
    try {
      traces.write(
          job.getId(),
          job.getWorkerIdsList(),
          Math.max(1, job.getPlan().getMicroBatches()),
          List.copyOf(ranks));
    } catch (LongtakeException e) {
      log.warn("Job {} goes on without a trace: {}", job.getId(), e.getMessage());
    }
  }

  /** One rank's events come one at a time; those of several ranks at once. One rank of a job reports its steps. */
  private void onEvent(JobEntry entry, int rank, WorkEvent event, Progress progress) {
    switch (event.getEventCase()) {
      case STEP_FINISHED -> onStep(entry, event.getStepFinished(), progress);
      case FRAMES -> onFrames(entry, event.getFrames(), progress);
      case STATE -> progress.checkpointer.add(event.getState());
      case TRACE -> progress.traces.put(rank, event.getTrace().toBuilder().setRank(rank).build());
      // A newer worker may say more than we asked for.
      case TENSOR, MEASURED, FINISHED, EVENT_NOT_SET -> {}
    }
  }

  private void onStep(JobEntry entry, StepFinished finished, Progress progress) {
    java.time.Duration remaining =
        progress.steps.remaining(finished.getStep(), finished.getSteps(), nanoTime.getAsLong());
    store.progress(
        entry,
        progress.attempt,
        JobEvent.StepDone.newBuilder()
            .setStep(finished.getStep())
            .setSteps(finished.getSteps())
            .setRemaining(Durations.fromNanos(remaining.toNanos()))
            .build());
  }

  private void onFrames(JobEntry entry, DecodedFrames frames, Progress progress) {
    GenerationRequest request = entry.request();
    if (frames.getWidth() != request.getWidth() || frames.getHeight() != request.getHeight()) {
      throw new LongtakeException(
          ErrorCode.INTERNAL,
          "Expected frames of %d x %d, but got %d x %d"
              .formatted(
                  request.getWidth(), request.getHeight(), frames.getWidth(), frames.getHeight()));
    }
    int decoded =
        progress.spool.write(
            frames.getFirstFrame(), frames.getFrames(), frames.getRgb().asReadOnlyByteBuffer());
    store.progress(
        entry,
        progress.attempt,
        JobEvent.FramesDecoded.newBuilder()
            .setDecoded(decoded)
            .setFrames(progress.spool.frames())
            .build());
  }

  private VideoFile writeVideo(JobEntry entry, long attempt, FrameSpool spool, VideoFormat format) {
    Path target = artifacts.video(entry.id());
    ByteBuffer frame = ByteBuffer.allocate(format.frameBytes());
    try (Mp4Writer writer = Mp4Writer.create(target, format)) {
      for (int i = 0; i < spool.frames(); i++) {
        if (!entry.isRunning(attempt)) {
          throw new LongtakeException(
              ErrorCode.CANCELED, "The job ended while its video was written");
        }
        spool.read(i, frame.clear());
        writer.write(frame.flip());
      }
      artifacts.requireLeading();
      return writer.finish();
    }
  }
}
