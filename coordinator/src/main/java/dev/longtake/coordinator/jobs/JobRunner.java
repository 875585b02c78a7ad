package dev.longtake.coordinator.jobs;

import com.google.protobuf.util.Durations;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.coordinator.fleet.Fleet;
import dev.longtake.coordinator.fleet.Gang;
import dev.longtake.coordinator.fleet.Member;
import dev.longtake.coordinator.measure.Measurer;
import dev.longtake.coordinator.measure.Observation;
import dev.longtake.coordinator.trace.TraceFiles;
import dev.longtake.coordinator.video.FrameSpool;
import dev.longtake.coordinator.video.Mp4Writer;
import dev.longtake.coordinator.video.VideoFile;
import dev.longtake.coordinator.video.VideoFormat;
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
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.ScheduledExecutorService;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Runs a job that was started on its gang: orders out, progress and frames in, MP4 written, workers released. */
public final class JobRunner {
  private static final Logger log = LoggerFactory.getLogger(JobRunner.class);

  private final JobStore store;
  private final Fleet fleet;
  private final Measurer measurer;
  private final TraceFiles traces;
  private final RunSettings settings;
  private final LongSupplier nanoTime;
  private final ScheduledExecutorService timer;

  /**
   * @param measurer told how well predictions were met
   * @param traces gets the trace of each job
   * @param nanoTime a monotonic clock
   * @param timer for short retries; the caller's
   */
  public JobRunner(
      JobStore store,
      Fleet fleet,
      Measurer measurer,
      TraceFiles traces,
      RunSettings settings,
      LongSupplier nanoTime,
      ScheduledExecutorService timer) {
    this.store = store;
    this.fleet = fleet;
    this.measurer = measurer;
    this.traces = traces;
    this.settings = settings;
    this.nanoTime = nanoTime;
    this.timer = timer;
  }

  /**
   * Runs the job to its end, blocking; whatever happens, the job ends and the gang is closed.
   *
   * @param waitedNanos from submission to start
   */
  void run(JobEntry entry, Gang gang, long waitedNanos) {
    try (gang) {
      Outcome outcome = generate(entry, gang, waitedNanos);
      if (store.end(entry, outcome)) {
        log.info("Job {} is done", entry.id());
      } else {
        discard(outcome);
      }
    } catch (LongtakeException e) {
      if (store.end(entry, Outcome.Failed.of(e))) {
        log.warn("Job {} failed, {}: {}", entry.id(), e.code(), e.getMessage());
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      store.end(
          entry,
          new Outcome.Failed(
              ErrorCode.CANCELED, "The coordinator shut down; submit the job again"));
    } catch (RuntimeException e) {
      log.error("Job {} failed by our mistake", entry.id(), e);
      store.end(
          entry,
          new Outcome.Failed(
              ErrorCode.INTERNAL,
              "Internal error (%s); the coordinator's log has the details"
                  .formatted(e.getClass().getSimpleName())));
    }
  }

  private Outcome generate(JobEntry entry, Gang gang, long waitedNanos)
      throws InterruptedException {
    GenerationRequest request = entry.request();
    VideoFormat format =
        new VideoFormat(
            request.getWidth(), request.getHeight(), request.getUpscale(), entry.card().getFps());
    try (FrameSpool spool =
        FrameSpool.open(
            settings.spoolFolder(), entry.id(), request.getFrames(), format.frameBytes())) {
      Progress progress = new Progress(spool, new StepClock(nanoTime.getAsLong()));
      List<WorkFinished> reports = sample(entry, gang, progress);
      spool.requireComplete();
      // The workers have done their part: the next job may start while this one's video is written.
      gang.close();
      compareWithPrediction(entry, gang, progress.steps, reports);
      writeTrace(entry, progress.traces.values());
      long startNanos = nanoTime.getAsLong();
      VideoFile file = writeVideo(entry, spool, format);
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
          file.path(),
          Reports.stageTimes(entry.textEncoderTime(), reports, waitedNanos, writeNanos),
          Reports.rankTimes(gang.workerIds(), reports),
          Reports.reuse(entry.embeddingReuse(), reports));
    }
  }

  /** What comes in while a job runs: frames, the times of steps, and the ranks' traces in order of the ranks. */
  private record Progress(
      FrameSpool spool, StepClock steps, ConcurrentSkipListMap<Integer, RankTrace> traces) {
    Progress(FrameSpool spool, StepClock steps) {
      this(spool, steps, new ConcurrentSkipListMap<>());
    }
  }

  private List<WorkFinished> sample(JobEntry entry, Gang gang, Progress progress)
      throws InterruptedException {
    List<Member> members = gang.members();
    GangRun run =
        new GangRun(
            members.size(),
            (rank, onEvent, onEnd) ->
                new RankCall(
                    members.get(rank),
                    WorkOrders.order(entry, members, rank, settings.exchangeTimeout()),
                    onEvent,
                    onEnd,
                    timer,
                    nanoTime),
            rank -> event -> onEvent(entry, rank, event, progress),
            settings,
            nanoTime);
    try (JobEntry.Subscription _ =
        entry.subscribe(() -> {
          if (entry.isTerminal()) {
            run.abort();
          }
        })) {
      if (entry.isTerminal()) {
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
      case STEP_FINISHED -> onStep(entry, event.getStepFinished(), progress.steps);
      case FRAMES -> onFrames(entry, event.getFrames(), progress.spool);
      case TRACE -> progress.traces.put(rank, event.getTrace().toBuilder().setRank(rank).build());
      // A newer worker may say more than we asked for.
      case TENSOR, MEASURED, FINISHED, EVENT_NOT_SET -> {}
    }
  }

  private void onStep(JobEntry entry, StepFinished finished, StepClock clock) {
    java.time.Duration remaining =
        clock.remaining(finished.getStep(), finished.getSteps(), nanoTime.getAsLong());
    store.progress(
        entry,
        JobEvent.StepDone.newBuilder()
            .setStep(finished.getStep())
            .setSteps(finished.getSteps())
            .setRemaining(Durations.fromNanos(remaining.toNanos()))
            .build());
  }

  private void onFrames(JobEntry entry, DecodedFrames frames, FrameSpool spool) {
    GenerationRequest request = entry.request();
    if (frames.getWidth() != request.getWidth() || frames.getHeight() != request.getHeight()) {
      throw new LongtakeException(
          ErrorCode.INTERNAL,
          "Expected frames of %d x %d, but got %d x %d"
              .formatted(
                  request.getWidth(), request.getHeight(), frames.getWidth(), frames.getHeight()));
    }
    int decoded =
        spool.write(
            frames.getFirstFrame(), frames.getFrames(), frames.getRgb().asReadOnlyByteBuffer());
    store.progress(
        entry,
        JobEvent.FramesDecoded.newBuilder().setDecoded(decoded).setFrames(spool.frames()).build());
  }

  private VideoFile writeVideo(JobEntry entry, FrameSpool spool, VideoFormat format) {
    Path target = settings.videoFolder().resolve(entry.id() + ".mp4");
    ByteBuffer frame = ByteBuffer.allocate(format.frameBytes());
    try (Mp4Writer writer = Mp4Writer.create(target, format)) {
      for (int i = 0; i < spool.frames(); i++) {
        if (entry.isTerminal()) {
          throw new LongtakeException(
              ErrorCode.CANCELED, "The job ended while its video was written");
        }
        spool.read(i, frame.clear());
        writer.write(frame.flip());
      }
      return writer.finish();
    }
  }

  /** The job was canceled between the last frame and now. */
  private static void discard(Outcome outcome) {
    if (outcome instanceof Outcome.Done done) {
      try {
        Files.deleteIfExists(done.file());
      } catch (IOException e) {
        log.warn("Cannot delete {}, the video of a canceled job: {}", done.file(), e.toString());
      }
    }
  }
}
