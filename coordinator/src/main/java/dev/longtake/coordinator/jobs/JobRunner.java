package dev.longtake.coordinator.jobs;

import com.google.protobuf.Duration;
import com.google.protobuf.util.Durations;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.coordinator.fleet.Fleet;
import dev.longtake.coordinator.fleet.Gang;
import dev.longtake.coordinator.fleet.Member;
import dev.longtake.coordinator.video.FrameSpool;
import dev.longtake.coordinator.video.Mp4Writer;
import dev.longtake.coordinator.video.VideoFile;
import dev.longtake.coordinator.video.VideoFormat;
import dev.longtake.v1.DecodedFrames;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.JobEvent;
import dev.longtake.v1.StageTime;
import dev.longtake.v1.StepFinished;
import dev.longtake.v1.Video;
import dev.longtake.v1.WorkEvent;
import dev.longtake.v1.WorkFinished;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.ScheduledExecutorService;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Runs a job that was started on its gang: orders out, progress and frames in, MP4 written, workers released. */
public final class JobRunner {
  private static final Logger log = LoggerFactory.getLogger(JobRunner.class);

  private final JobStore store;
  private final Fleet fleet;
  private final RunSettings settings;
  private final LongSupplier nanoTime;
  private final ScheduledExecutorService timer;

  /**
   * @param nanoTime a monotonic clock
   * @param timer for short retries; the caller's
   */
  public JobRunner(
      JobStore store,
      Fleet fleet,
      RunSettings settings,
      LongSupplier nanoTime,
      ScheduledExecutorService timer) {
    this.store = store;
    this.fleet = fleet;
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
      List<WorkFinished> reports = sample(entry, gang, spool);
      spool.requireComplete();
      // The workers have done their part: the next job may start while this one's video is written.
      gang.close();
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
          video, file.path(), stageTimes(entry, reports, waitedNanos, writeNanos));
    }
  }

  private List<WorkFinished> sample(JobEntry entry, Gang gang, FrameSpool spool)
      throws InterruptedException {
    List<Member> members = gang.members();
    StepClock steps = new StepClock(nanoTime.getAsLong());
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
            rank -> event -> onEvent(entry, rank, event, steps, spool),
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

  /** One rank's events come one at a time; those of several ranks at once. Only rank 0 reports steps. */
  private void onEvent(
      JobEntry entry, int rank, WorkEvent event, StepClock steps, FrameSpool spool) {
    switch (event.getEventCase()) {
      case STEP_FINISHED -> {
        if (rank == 0) {
          onStep(entry, event.getStepFinished(), steps);
        }
      }
      case FRAMES -> onFrames(entry, event.getFrames(), spool);
      // A newer worker may say more than we asked for.
      case TENSOR, MEASURED, TRACE, FINISHED, EVENT_NOT_SET -> {}
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

  /** Workers' times are those of one rank, the one that worked longest, so that they add up. */
  private static List<StageTime> stageTimes(
      JobEntry entry, List<WorkFinished> reports, long waitedNanos, long writeNanos) {
    WorkFinished busiest =
        reports.stream()
            .max(Comparator.comparing(JobRunner::work, Durations.comparator()))
            .orElse(WorkFinished.getDefaultInstance());
    List<StageTime> times = new ArrayList<>();
    times.add(stage("text encoder", Durations.fromNanos(entry.textEncoderTime().toNanos())));
    times.add(stage("waiting for workers", Durations.fromNanos(waitedNanos)));
    times.add(stage("loading weights", busiest.getLoad()));
    times.add(stage("sampling: compute", busiest.getCompute()));
    times.add(stage("sampling: exchange", busiest.getExchange()));
    times.add(stage("decoding", busiest.getDecode()));
    times.add(stage("writing the MP4", Durations.fromNanos(writeNanos)));
    return times;
  }

  private static StageTime stage(String name, Duration duration) {
    return StageTime.newBuilder().setStage(name).setDuration(duration).build();
  }

  /** What is left of a rank's time without waiting for others. */
  private static Duration work(WorkFinished report) {
    return Durations.add(report.getLoad(), Durations.add(report.getCompute(), report.getDecode()));
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
