package dev.longtake.coordinator.jobs;

import com.google.protobuf.util.Durations;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.coordinator.artifacts.JobArtifacts;
import dev.longtake.coordinator.fleet.Fleet;
import dev.longtake.coordinator.fleet.Gang;
import dev.longtake.coordinator.fleet.Member;
import dev.longtake.coordinator.planner.Clips;
import dev.longtake.coordinator.video.FrameSpool;
import dev.longtake.coordinator.video.PreviewPicture;
import dev.longtake.v1.ClipGeometry;
import dev.longtake.v1.DecodedFrames;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.JobEvent;
import dev.longtake.v1.Preview;
import dev.longtake.v1.RankTrace;
import dev.longtake.v1.StepFinished;
import dev.longtake.v1.Tensor;
import dev.longtake.v1.TensorSlice;
import dev.longtake.v1.VideoPreview;
import dev.longtake.v1.WorkEvent;
import dev.longtake.v1.WorkFinished;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.ScheduledExecutorService;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * One attempt at one segment: orders to all ranks of the gang, then their progress, checkpoints, latents and frames. {@link #run} is
 * called once, by one thread; what comes in, comes by those of the ranks.
 */
final class SegmentRun {
  private final JobStore store;
  private final JobEntry entry;
  private final Segments segments;
  private final AttemptStart start;
  private final FrameSpool spool;
  private final StepClock steps;
  private final LongSupplier nanoTime;
  private final JobMeters meters;
  private final GatheredLatents latents;

  /** In order of the ranks. */
  private final ConcurrentSkipListMap<Integer, RankTrace> traces = new ConcurrentSkipListMap<>();

  private @Nullable Checkpointer checkpointer;

  /**
   * @param spool for the frames that the segment shows
   * @param steps of all segments of the job that this gang makes
   */
  SegmentRun(
      JobStore store,
      JobEntry entry,
      AttemptStart start,
      FrameSpool spool,
      StepClock steps,
      LongSupplier nanoTime,
      JobMeters meters) {
    this.meters = meters;
    this.store = store;
    this.entry = entry;
    this.segments = entry.segments();
    this.start = start;
    this.spool = spool;
    this.steps = steps;
    this.nanoTime = nanoTime;
    this.latents = new GatheredLatents(latentShape(entry));
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

  /**
   * What a segment became; its frames are in the spool.
   *
   * @param reports in order of the ranks
   * @param latents of all its frames, [1, channels, frames, height, width]
   */
  record Result(List<WorkFinished> reports, Tensor latents, Collection<RankTrace> traces) {}

  /**
   * Blocks until the ranks have ended.
   *
   * @param kept told of the steps that are kept, whatever happens
   * @throws LongtakeException what the ranks failed with, or CANCELED
   */
  Result run(
      JobArtifacts artifacts,
      Gang gang,
      Fleet fleet,
      RunSettings settings,
      ScheduledExecutorService timer,
      KeptSteps kept)
      throws InterruptedException {
    kept.begin(start.stepsKept());
    List<WorkFinished> reports;
    Checkpointer keeping =
        Checkpointer.start(
            artifacts,
            entry.id(),
            start.segment(),
            new StateCollector(latentShape(entry), entry.request().getStepCache()),
            start.stepsKept(),
            meters);
    try (keeping) {
      checkpointer = keeping;
      reports = sample(gang, fleet, settings, timer);
    } finally {
      kept.end(keeping.stepsKept());
    }
    spool.requireComplete();
    return new Result(reports, wholeLatents(), traces.values());
  }

  private Tensor wholeLatents() {
    synchronized (latents) {
      if (!latents.isComplete()) {
        throw new LongtakeException(
            ErrorCode.INTERNAL,
            "Expected the final latents of all frames, but some ranks did not send theirs");
      }
      return latents.tensor();
    }
  }

  private List<WorkFinished> sample(
      Gang gang, Fleet fleet, RunSettings settings, ScheduledExecutorService timer)
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
            rank -> event -> onEvent(rank, event),
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

  /** One rank's events come one at a time; those of several ranks at once. One rank of a job reports its steps. */
  private void onEvent(int rank, WorkEvent event) {
    switch (event.getEventCase()) {
      case STEP_FINISHED -> onStep(event.getStepFinished());
      case FRAMES -> onFrames(event.getFrames());
      case STATE -> {
        if (checkpointer != null) {
          checkpointer.add(event.getState());
        }
      }
      case TENSOR -> onTensor(event.getTensor());
      case PREVIEW -> onPreview(event.getPreview());
      case TRACE -> traces.put(rank, event.getTrace().toBuilder().setRank(rank).build());
      // A newer worker may say more than we asked for.
      case MEASURED, FINISHED, EVENT_NOT_SET -> {}
    }
  }

  private void onTensor(TensorSlice slice) {
    if (slice.getName().equals(WorkOrders.FINAL_LATENTS)) {
      synchronized (latents) {
        latents.add(slice);
      }
    }
  }

  private void onStep(StepFinished finished) {
    int later = (segments.count() - start.segment()) * finished.getSteps();
    java.time.Duration remaining =
        steps.remaining(finished.getSteps() - finished.getStep() + later, nanoTime.getAsLong());
    store.progress(
        entry,
        start.attempt(),
        JobEvent.newBuilder()
            .setStepDone(
                JobEvent.StepDone.newBuilder()
                    .setStep(finished.getStep())
                    .setSteps(finished.getSteps())
                    .setRemaining(Durations.fromNanos(remaining.toNanos()))
                    .setSegment(start.segment())
                    .setSegments(segments.count())));
  }

  private void onPreview(Preview preview) {
    long expected = 3L * preview.getWidth() * preview.getHeight();
    if (preview.getRgb().size() != expected || expected <= 0) {
      throw new LongtakeException(
          ErrorCode.INTERNAL,
          "Expected a preview of %d x %d pixels, but got %d bytes"
              .formatted(preview.getWidth(), preview.getHeight(), preview.getRgb().size()));
    }
    entry.preview(
        VideoPreview.newBuilder()
            .setSegment(start.segment())
            .setStep(preview.getStep())
            .setSteps(entry.request().getSteps())
            .setPng(PreviewPicture.png(preview.getRgb(), preview.getWidth(), preview.getHeight()))
            .build());
  }

  private void onFrames(DecodedFrames frames) {
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
            frames.getFirstFrame() - segments.firstShown(start.segment()),
            frames.getFrames(),
            frames.getRgb().asReadOnlyByteBuffer());
    store.progress(
        entry,
        start.attempt(),
        JobEvent.newBuilder()
            .setFramesDecoded(
                JobEvent.FramesDecoded.newBuilder().setDecoded(decoded).setFrames(spool.frames())));
  }
}
