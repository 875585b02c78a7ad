package dev.longtake.coordinator.jobs;

import com.google.protobuf.util.Timestamps;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobError;
import dev.longtake.v1.JobEvent;
import dev.longtake.v1.JobState;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.Plan;
import dev.longtake.v1.Reuse;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;

/**
 * One job: its state, its events from the first on, and whoever wants to know of new ones. Events are kept here once, and
 * every watcher has a cursor of its own, so a slow watcher costs nothing.
 *
 * <p>Thread-safe. Only {@link JobStore} changes an entry.
 */
public final class JobEntry {
  private final InstantSource clock;
  private final ModelCard card;
  private final Duration textEncoderTime;
  private final Reuse embeddingReuse;
  private final long submittedNanos;
  private final List<Runnable> watchers = new CopyOnWriteArrayList<>();

  // Guarded by this.
  private final List<JobEvent> events = new ArrayList<>();
  private Job job;
  private @Nullable EncodedPrompt prompt;
  private @Nullable Path videoFile;
  private int queuePosition = -1;

  JobEntry(String id, NewJob submitted, InstantSource clock, long nowNanos) {
    this.clock = clock;
    this.card = submitted.card();
    this.prompt = submitted.prompt();
    this.textEncoderTime = submitted.textEncoderTime();
    this.embeddingReuse =
        Reuse.newBuilder()
            .setEmbeddingsReused(submitted.prompt().reused())
            .setEncoderRuns(submitted.prompt().encoderRuns())
            .build();
    this.submittedNanos = nowNanos;
    this.job =
        Job.newBuilder()
            .setId(id)
            .setState(JobState.JOB_STATE_QUEUED)
            .setRequest(submitted.request())
            .setSubmittedAt(timestamp(clock.instant()))
            .build();
  }

  public String id() {
    return snapshot().getId();
  }

  /** The job as it is now. */
  public synchronized Job snapshot() {
    return job;
  }

  /** With every default filled in. */
  public GenerationRequest request() {
    return snapshot().getRequest();
  }

  /** Of the model that the request was checked against. */
  public ModelCard card() {
    return card;
  }

  /** Whether the job is done, failed or canceled. */
  public boolean isTerminal() {
    return JobStates.isTerminal(snapshot().getState());
  }

  /** The event after {@code sequence}; empty when it has not happened yet. */
  public synchronized Optional<JobEvent> eventAfter(long sequence) {
    return sequence < events.size() ? Optional.of(events.get((int) sequence)) : Optional.empty();
  }

  /** The finished video; empty unless the job is done. */
  public synchronized Optional<Path> videoFile() {
    return Optional.ofNullable(videoFile);
  }

  /**
   * Calls {@code onEvent} after each new event, by the thread that caused it, which it must not block.
   *
   * @return ends the subscription when closed
   */
  public Subscription subscribe(Runnable onEvent) {
    watchers.add(onEvent);
    return () -> watchers.remove(onEvent);
  }

  /** Ends with {@link #close}. */
  public interface Subscription extends AutoCloseable {
    @Override
    void close();
  }

  /** Empty once the job is terminal: finished jobs keep no tensors. */
  synchronized Optional<EncodedPrompt> prompt() {
    return Optional.ofNullable(prompt);
  }

  /** What of the text encoder's work was done before; the rest is empty. */
  Reuse embeddingReuse() {
    return embeddingReuse;
  }

  Duration textEncoderTime() {
    return textEncoderTime;
  }

  /** When the job was submitted, on the store's monotonic clock. */
  long submittedNanos() {
    return submittedNanos;
  }

  synchronized int eventCount() {
    return events.size();
  }

  /** No effect when the position is known already. */
  synchronized void queuedAt(int position) {
    if (position != queuePosition) {
      queuePosition = position;
      append(JobEvent.newBuilder().setQueued(JobEvent.Queued.newBuilder().setPosition(position)));
    }
  }

  /** Sets it running; false when the job ended before. */
  synchronized boolean start(Plan plan, List<String> workerIds) {
    if (!moveTo(JobState.JOB_STATE_RUNNING)) {
      return false;
    }
    job = job.toBuilder().setPlan(plan).addAllWorkerIds(workerIds).build();
    append(
        JobEvent.newBuilder()
            .setPlanned(JobEvent.Planned.newBuilder().setPlan(plan).addAllWorkerIds(workerIds)));
    return true;
  }

  /** No effect when the job has ended. */
  synchronized void progress(JobEvent.StepDone step) {
    if (job.getState() == JobState.JOB_STATE_RUNNING) {
      job = job.toBuilder().setStepsDone(step.getStep()).build();
      append(JobEvent.newBuilder().setStepDone(step));
    }
  }

  /** No effect when the job has ended. */
  synchronized void progress(JobEvent.FramesDecoded frames) {
    if (job.getState() == JobState.JOB_STATE_RUNNING) {
      append(JobEvent.newBuilder().setFramesDecoded(frames));
    }
  }

  /** Sets it terminal; false when the job ended before. */
  synchronized boolean end(Outcome outcome) {
    Job.Builder ended;
    switch (outcome) {
      case Outcome.Done done -> {
        if (!moveTo(JobState.JOB_STATE_DONE)) {
          return false;
        }
        videoFile = done.file();
        ended =
            job.toBuilder()
                .setVideo(done.video())
                .addAllStageTimes(done.stageTimes())
                .addAllRankTimes(done.rankTimes())
                .setReuse(done.reuse());
      }
      case Outcome.Failed failed -> {
        if (!moveTo(JobState.JOB_STATE_FAILED)) {
          return false;
        }
        ended =
            job.toBuilder()
                .setError(
                    JobError.newBuilder()
                        .setReason(failed.code().name())
                        .setMessage(failed.message()));
      }
      case Outcome.Canceled() -> {
        if (!moveTo(JobState.JOB_STATE_CANCELED)) {
          return false;
        }
        ended = job.toBuilder();
      }
    }
    job = ended.build();
    prompt = null;
    append(JobEvent.newBuilder().setEnded(job));
    return true;
  }

  /** Tells all watchers; called by the store when it holds no lock of an entry. */
  void tellWatchers() {
    watchers.forEach(Runnable::run);
  }

  private boolean moveTo(JobState state) {
    JobState now = job.getState();
    if (JobStates.isTerminal(now)) {
      return false;
    }
    if (!JobStates.isLegal(now, state)) {
      throw new IllegalStateException(
          "Expected a legal change of job %s, but got %s to %s".formatted(job.getId(), now, state));
    }
    job = job.toBuilder().setState(state).build();
    return true;
  }

  private void append(JobEvent.Builder event) {
    events.add(event.setSequence(events.size() + 1L).setTime(timestamp(clock.instant())).build());
  }

  private static com.google.protobuf.Timestamp timestamp(Instant instant) {
    return Timestamps.fromMillis(instant.toEpochMilli());
  }
}
