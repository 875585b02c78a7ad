package dev.longtake.coordinator.jobs;

import dev.longtake.common.digest.Sha256;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.process.LogContext;
import dev.longtake.coordinator.artifacts.JobArtifacts;
import dev.longtake.coordinator.fleet.Fleet;
import dev.longtake.coordinator.fleet.Gang;
import dev.longtake.coordinator.measure.Measurer;
import dev.longtake.coordinator.measure.Observation;
import dev.longtake.coordinator.trace.TraceFiles;
import dev.longtake.coordinator.video.FrameSpool;
import dev.longtake.coordinator.video.SegmentWriter;
import dev.longtake.coordinator.video.VideoFile;
import dev.longtake.coordinator.video.VideoFormat;
import dev.longtake.coordinator.video.VideoStream;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobEvent;
import dev.longtake.v1.Plan;
import dev.longtake.v1.RankTrace;
import dev.longtake.v1.StoredTail;
import dev.longtake.v1.Tensor;
import dev.longtake.v1.Video;
import dev.longtake.v1.WorkFinished;
import io.micrometer.observation.Observation.CheckedRunnable;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ScheduledExecutorService;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A job on its gang: its segments one after the other, from the first that is not done, then the whole video. Every segment is an attempt of
 * its own, whose number is stored before orders go out. For one thread.
 */
final class JobRun {
  private static final Logger log = LoggerFactory.getLogger(JobRun.class);

  private final Services services;
  private final JobEntry entry;
  private final Gang gang;
  private final long waitedNanos;
  private final Segments segments;
  private final VideoFormat format;
  private final KeptSteps kept = new KeptSteps();
  private final StepClock steps;
  private List<WorkFinished> reports = List.of();
  private long writeNanos;
  private long attempt;

  /** What all runs use. */
  record Services(
      JobStore store,
      JobArtifacts artifacts,
      Fleet fleet,
      Measurer measurer,
      TraceFiles traces,
      FrameEncoder encoder,
      RunSettings settings,
      LongSupplier nanoTime,
      ScheduledExecutorService timer,
      JobMeters meters) {}

  /**
   * @param entry just started
   * @param waitedNanos from submission to the first start
   */
  JobRun(Services services, JobEntry entry, Gang gang, long waitedNanos) {
    this.services = services;
    this.entry = entry;
    this.gang = gang;
    this.waitedNanos = waitedNanos;
    this.segments = entry.segments();
    this.attempt = entry.snapshot().getAttempt();
    GenerationRequest request = entry.request();
    this.format =
        new VideoFormat(
            request.getWidth(), request.getHeight(), request.getUpscale(), entry.card().getFps());
    this.steps = new StepClock(services.nanoTime.getAsLong());
  }

  /** The attempt that runs, or ran last. */
  long attempt() {
    return attempt;
  }

  KeptSteps kept() {
    return kept;
  }

  /**
   * Blocks until the video is written, or others have the next turn.
   *
   * @return empty when the job has given its workers up and waits again
   * @throws LongtakeException what went wrong
   */
  Optional<Outcome> run() throws InterruptedException {
    int done = entry.snapshot().getSegmentsDone();
    while (done < segments.count()) {
      int segment = ++done;
      try (var _ = LogContext.attempt(attempt)) {
        services
            .meters
            .attempt(entry, attempt, segment)
            .observeChecked((CheckedRunnable<InterruptedException>) () -> makeSegment(segment));
      }
      if (done < segments.count() && !goesOn(done)) {
        return Optional.empty();
      }
    }
    // The workers have done their part: the next job may start while this one's video is written.
    gang.close();
    return Optional.of(outcome());
  }

  /** Whether the next segment is this gang's, too: a worker that drains may leave now, and other tenants get their turn. */
  private boolean goesOn(int done) {
    boolean leaves = !services.fleet.usable().containsAll(gang.members());
    if (!leaves && services.store.keepsTurn(entry)) {
      return true;
    }
    services.store.giveTurn(
        entry,
        attempt,
        "segment %d of %d is done, and %s"
            .formatted(done, segments.count(), leaves ? "a worker leaves" : "it is others' turn"));
    // Its workers are free once it waits, so that they go to whoever is next.
    gang.close();
    return false;
  }

  private void makeSegment(int segment) throws InterruptedException {
    requireStored();
    services.artifacts.deleteTailsBefore(entry.id(), segment - 1);
    AttemptStart start = AttemptStart.read(services.artifacts, entry, attempt, segment);
    try (FrameSpool spool =
        FrameSpool.open(
            services.settings.spoolFolder(),
            entry.id(),
            segments.shown(segment),
            format.frameBytes())) {
      SegmentRun.Result made =
          new SegmentRun(
                  services.store, entry, start, spool, steps, services.nanoTime, services.meters)
              .run(
                  services.artifacts,
                  gang,
                  services.fleet,
                  services.settings,
                  services.timer,
                  kept);
      requireSeam(start, made.latents());
      compareWithPrediction(made.reports());
      writeTrace(made.traces());
      reports = Reports.sum(reports, made.reports());
      keep(segment, spool, made);
    }
  }

  /** An attempt whose number is not stored might be made twice. */
  private void requireStored() throws InterruptedException {
    if (!entry.awaitStored(services.settings.stallTimeout())) {
      throw new LongtakeException(
          ErrorCode.STORAGE_UNAVAILABLE, "The database did not store that the job was started");
    }
  }

  /** Frames that were to be kept are: else the video would jump where the segments meet. */
  private void requireSeam(AttemptStart start, Tensor latents) {
    if (start.given().isEmpty() || entry.request().getLongVideo().getEditRatio() > 0) {
      return;
    }
    Tensor given = start.given().get();
    if (!LatentFrames.first(latents, LatentFrames.count(given)).getData().equals(given.getData())) {
      throw new LongtakeException(
          ErrorCode.INTERNAL,
          "Expected segment %d to keep the %d frames that it was given, but its latents there are others"
              .formatted(start.segment(), LatentFrames.count(given)));
    }
  }

  /** What is needed to go on from here is on the disk before the database says that the segment is done. */
  private void keep(int segment, FrameSpool spool, SegmentRun.Result made) {
    Tensor latents = made.latents();
    long startNanos = services.nanoTime.getAsLong();
    VideoStream.Segment appended;
    try (SegmentWriter writer =
        SegmentWriter.create(
            services.settings.spoolFolder(), entry.id(), format, segments.firstFrame(segment))) {
      ByteBuffer frame = ByteBuffer.allocate(format.frameBytes());
      for (int i = 0; i < spool.frames(); i++) {
        requireRunning();
        spool.read(i, frame.clear());
        writer.write(frame.flip());
      }
      Path segmentFile = writer.finish();
      services.artifacts.requireLeading();
      appended =
          new VideoStream(services.artifacts.stream(entry.id()))
              .append(entry.snapshot().getStreamBytes(), segmentFile);
    }
    if (segments.overlap() > 0) {
      services.artifacts.writeTail(
          entry.id(),
          StoredTail.newBuilder()
              .setSegmentsDone(segment)
              .setLatents(tail(spool, latents))
              .build());
    }
    writeNanos += services.nanoTime.getAsLong() - startNanos;
    JobEvent.SegmentDone.Builder done =
        JobEvent.SegmentDone.newBuilder()
            .setSegment(segment)
            .setSegments(segments.count())
            .setFrames(segments.framesBefore(segment) + segments.shown(segment))
            .setSizeBytes(appended.sizeBytes())
            .setStreamBytes(appended.streamBytes())
            .setSha256(appended.sha256())
            .setLatentsSha256(Sha256.hex(latents.getData().toByteArray()));
    WorkFinished report = made.reports().getFirst();
    if (report.hasStepCacheUse()) {
      // Of the whole network, so every rank says the same.
      done.setStepCacheUse(report.getStepCacheUse());
    }
    if (!services.store.segmentDone(entry, attempt, done.build())) {
      throw ended();
    }
    kept.segmentDone();
    services.meters.segmentDone();
    if (segment < segments.count()) {
      services.meters.attemptEnded(JobMeters.AttemptEnd.SEGMENT);
    }
    attempt = entry.snapshot().getAttempt();
  }

  private Tensor tail(FrameSpool spool, Tensor latents) {
    int overlap = segments.overlap();
    if (!segments.arePixelsHandedOver()) {
      return LatentFrames.last(latents, overlap);
    }
    List<ByteBuffer> frames = new ArrayList<>();
    for (int i = spool.frames() - overlap; i < spool.frames(); i++) {
      ByteBuffer frame = ByteBuffer.allocate(format.frameBytes());
      spool.read(i, frame);
      frames.add(frame.flip());
    }
    return services.encoder.encode(frames, format.width(), format.height(), gang.members());
  }

  private void requireRunning() {
    if (!entry.isRunning(attempt)) {
      throw ended();
    }
  }

  private static LongtakeException ended() {
    return new LongtakeException(ErrorCode.CANCELED, "The job ended while its video was written");
  }

  private Outcome outcome() {
    long startNanos = services.nanoTime.getAsLong();
    services.artifacts.requireLeading();
    VideoStream stream = new VideoStream(services.artifacts.stream(entry.id()));
    stream.seal(entry.snapshot().getStreamBytes());
    VideoFile file =
        stream.toMp4(services.artifacts.video(entry.id()), () -> entry.isRunning(attempt));
    writeNanos += services.nanoTime.getAsLong() - startNanos;
    Video.Builder video =
        Video.newBuilder()
            .setWidth(format.outputWidth())
            .setHeight(format.outputHeight())
            .setFrames(file.frames())
            .setFps(format.fps())
            .setSizeBytes(file.sizeBytes())
            .setSha256(file.sha256());
    if (entry.request().hasStepCache()) {
      video.setStepCache(entry.request().getStepCache()).setStepCacheUse(entry.stepCacheUse());
    }
    return new Outcome.Done(
        video.build(),
        Reports.stageTimes(entry.textEncoderTime(), reports, waitedNanos, writeNanos),
        Reports.rankTimes(gang.workerIds(), reports),
        Reports.reuse(entry.embeddingReuse(), reports));
  }

  /** Tells the measurer how well the prediction was met, where the workers had nothing else to do. */
  private void compareWithPrediction(List<WorkFinished> made) {
    Plan plan = entry.snapshot().getPlan();
    var step = steps.medianStep();
    double predicted = Reports.seconds(plan.getPrediction().getStep());
    // Predicted are steps that are computed whole.
    boolean isComparable = !gang.wasShared() && !entry.request().hasStepCache();
    if (!isComparable || step.isEmpty() || predicted <= 0) {
      return;
    }
    double measured = step.get().toNanos() / 1e9;
    double exposed = Reports.exposedSeconds(made, entry.request().getSteps());
    double predictedExposed = Reports.seconds(plan.getPrediction().getExposedExchange());
    services.meters.predicted(measured, predicted, exposed, predictedExposed);
    services.measurer.observed(
        new Observation(
            gang.members(),
            entry.request().getPrecision(),
            measured,
            predicted,
            exposed,
            predictedExposed));
  }

  /** A video is worth more than its trace, that of its last segment: what goes wrong here is only logged. */
  private void writeTrace(Collection<RankTrace> ranks) {
    if (ranks.isEmpty() || entry.isTerminal()) {
      return;
    }
    Job job = entry.snapshot();
    try {
      services.traces.write(
          job.getId(),
          job.getWorkerIdsList(),
          Math.max(1, job.getPlan().getMicroBatches()),
          List.copyOf(ranks));
    } catch (LongtakeException e) {
      log.warn("Job {} goes on without a trace: {}", job.getId(), e.getMessage());
    }
  }
}
