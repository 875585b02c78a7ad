package dev.longtake.coordinator.jobs;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.util.Durations;
import com.google.protobuf.util.Timestamps;
import dev.longtake.common.stepcache.StepCaches;
import dev.longtake.coordinator.database.JobRow;
import dev.longtake.coordinator.jobs.NewJob.IdempotencyKey;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobError;
import dev.longtake.v1.JobEvent;
import dev.longtake.v1.JobState;
import dev.longtake.v1.JobTransition;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.Plan;
import dev.longtake.v1.Priority;
import dev.longtake.v1.Reuse;
import dev.longtake.v1.StepCacheUse;
import dev.longtake.v1.StoredJob;
import dev.longtake.v1.VideoPreview;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * One job: its state, its events, and whoever wants to know of new ones. Events are kept here once, and
 * every watcher has a cursor of its own, so a slow watcher costs nothing. Watchers see an event when it is stored: one that was seen is
 * never taken back, whatever is killed.
 *
 * <p>Thread-safe. Only {@link JobStore} and {@link Journal} change an entry.
 */
public final class JobEntry {
  private final InstantSource clock;
  private final List<Runnable> watchers = new CopyOnWriteArrayList<>();
  private final List<Runnable> runs = new CopyOnWriteArrayList<>();
  private final String id;
  private final long submittedMillis;

  private volatile @Nullable VideoPreview preview;

  // Guarded by this.
  private final EventLog events;
  private final StoredJob.Builder record;
  private Job job;
  private int queuePosition = -1;

  /** The attempt that somebody runs, or has not left yet; 0: none. */
  private long runAttempt;

  /** Grows with every change; the change is stored when {@link #storedVersion} has reached it. */
  private long version;

  private long storedVersion;

  /** What {@link #awaitStored} waits for; watchers have been told by then. */
  private long announcedVersion;

  /** Of the stream, as far as that is stored. */
  private long storedStreamBytes;

  private int storedTransitions;
  private boolean closed;

  /** It gave up its workers by itself, after a segment; forgotten at a restart, after which it goes first. */
  private boolean isTurnGiven;

  private boolean lacksWorkers;

  /** When it lost its workers, unless a step was done since; -1: it did not. */
  private long lostMillis = -1;

  JobEntry(String id, NewJob submitted, InstantSource clock) {
    this.clock = clock;
    this.id = id;
    this.submittedMillis = clock.millis();
    this.events = new EventLog();
    this.record =
        StoredJob.newBuilder()
            .setCard(submitted.card())
            .setTextTokens(PlanningInputs.textTokens(submitted.prompt()))
            .setTextEncoderTime(Durations.fromNanos(submitted.textEncoderTime().toNanos()))
            .setEmbeddingReuse(
                Reuse.newBuilder()
                    .setEmbeddingsReused(submitted.prompt().reused())
                    .setEncoderRuns(submitted.prompt().encoderRuns()))
            .setRequestDigest(submitted.terms().requestDigest())
            .setIdempotencyKey(submitted.terms().key().value());
    Job.Builder made =
        Job.newBuilder()
            .setId(id)
            .setRequest(submitted.request())
            .setModel(submitted.card().getName())
            .setTenant(submitted.terms().key().tenant())
            .setPriority(submitted.terms().priority())
            .setSubmittedAt(Timestamps.fromMillis(submittedMillis));
    submitted.beginning().ifPresent(beginning -> made.setBeginning(beginning.beginning()));
    submitted
        .terms()
        .deadline()
        .ifPresent(deadline ->
            made.setDeadlineAt(Timestamps.fromMillis(submittedMillis + deadline.toMillis())));
    this.job = made.build();
    moveTo(JobState.JOB_STATE_QUEUED, "submitted");
  }

  /** A job from disk, as it was stored. */
  JobEntry(JobRow row, InstantSource clock) throws InvalidProtocolBufferException {
    this.clock = clock;
    StoredJob stored = StoredJob.parseFrom(row.record());
    this.record = stored.toBuilder().clearJob();
    this.job = stored.getJob();
    this.id = job.getId();
    this.submittedMillis = Timestamps.toMillis(job.getSubmittedAt());
    this.events = EventLog.of(row.events());
    this.storedTransitions = job.getHistoryCount();
    this.storedStreamBytes = job.getStreamBytes();
  }

  public String id() {
    return id;
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
  public synchronized ModelCard card() {
    return record.getCard();
  }

  /** Whether the job is done, failed or canceled. */
  public boolean isTerminal() {
    return JobStates.isTerminal(snapshot().getState());
  }

  /** Whether no event will follow those that watchers can see. */
  public synchronized boolean isComplete() {
    return JobStates.isTerminal(job.getState()) && events.isStored();
  }

  /** The first event after {@code sequence} that is not forgotten; empty when it has not happened yet, or is not stored. */
  public synchronized Optional<JobEvent> eventAfter(long sequence) {
    return events.storedAfter(sequence);
  }

  /** Bytes of the stream that can be sent: its segments that are stored. */
  public synchronized long streamBytes() {
    return storedStreamBytes;
  }

  /** The newest preview of those that were asked for. */
  public Optional<VideoPreview> preview() {
    return Optional.ofNullable(preview);
  }

  /** There is a new one, which is not stored. */
  void preview(VideoPreview newest) {
    preview = newest;
    tellWatchers();
  }

  /** How its video is divided. */
  public Segments segments() {
    Job now = snapshot();
    return new Segments(now.getRequest(), now.getBeginning());
  }

  /**
   * Calls {@code onEvent} after each new event, by the thread that stored it, which it must not block.
   *
   * @return ends the subscription when closed
   */
  public Subscription subscribe(Runnable onEvent) {
    watchers.add(onEvent);
    return () -> watchers.remove(onEvent);
  }

  /**
   * Calls {@code onStop} when the job has ended or waits again, stored or not: workers must not go on because a disk is slow.
   *
   * @return ends the subscription when closed
   */
  Subscription whenStopped(Runnable onStop) {
    runs.add(onStop);
    return () -> runs.remove(onStop);
  }

  /** Whether somebody runs the job or is still leaving it, though it may have ended. */
  synchronized boolean hasRun() {
    return runAttempt != 0;
  }

  /** Nobody runs this attempt any more; no effect when a newer one runs. */
  synchronized void runEnded(long attempt) {
    if (runAttempt == attempt) {
      runAttempt = 0;
    }
  }

  /** Tells whoever runs the job that it has ended or waits again. */
  void tellRuns() {
    runs.forEach(Runnable::run);
  }

  /** Ends with {@link #close}. */
  public interface Subscription extends AutoCloseable {
    @Override
    void close();
  }

  /** Whose job it is. */
  public String tenant() {
    return snapshot().getTenant();
  }

  Priority priority() {
    return snapshot().getPriority();
  }

  synchronized IdempotencyKey idempotencyKey() {
    return new IdempotencyKey(job.getTenant(), record.getIdempotencyKey());
  }

  /** Whether the request came with the same digest. */
  synchronized boolean isOf(ByteString requestDigest) {
    return record.getRequestDigest().equals(requestDigest);
  }

  /** Since 1970. */
  long submittedMillis() {
    return submittedMillis;
  }

  /** Whether workers had it before. */
  boolean wasStarted() {
    return snapshot().getAttempt() > 0;
  }

  /** Whether something that workers computed is kept for it, to go on from. */
  boolean hasResults() {
    Job now = snapshot();
    return now.getStepsDone() > 0 || now.getSegmentsDone() > 0;
  }

  /** The kind of device that it was last computed on; empty for none yet, or several. */
  synchronized String device() {
    return record.getDevice();
  }

  /** It is about to be started on workers with this kind of device; stored with its start. */
  synchronized void computesOn(String device) {
    record.setDevice(device);
  }

  /** Of the longest row. */
  synchronized int textTokens() {
    return record.getTextTokens();
  }

  /** What its step cache saved, of all segments that are done. */
  synchronized StepCacheUse stepCacheUse() {
    return record.getStepCacheUse();
  }

  /** What of the text encoder's work was done before; the rest is empty. */
  synchronized Reuse embeddingReuse() {
    return record.getEmbeddingReuse();
  }

  synchronized Duration textEncoderTime() {
    return Duration.ofNanos(Durations.toNanos(record.getTextEncoderTime()));
  }

  /** Events that are kept, stored or not. */
  synchronized int eventCount() {
    return events.size();
  }

  /** Attempts in a row that kept no new step. */
  synchronized int fruitlessAttempts() {
    return record.getFruitlessAttempts();
  }

  /** Whether workers have the job, in this attempt. */
  synchronized boolean isRunning(long attempt) {
    return job.getState() == JobState.JOB_STATE_RUNNING && job.getAttempt() == attempt;
  }

  /** Tells its place in the queue; false when it is known already. */
  synchronized boolean queuedAt(int position) {
    if (position == queuePosition) {
      return false;
    }
    queuePosition = position;
    append(JobEvent.newBuilder().setQueued(JobEvent.Queued.newBuilder().setPosition(position)));
    return true;
  }

  /** Says what a queued job waits for; kept in memory only, since it is found out again after a restart. */
  synchronized void waitsFor(String reason, boolean lacking) {
    lacksWorkers = lacking;
    if (job.getState() == JobState.JOB_STATE_QUEUED && !job.getWaitingFor().equals(reason)) {
      job = job.toBuilder().setWaitingFor(reason).build();
    }
  }

  /** Sets it running, in a new attempt; false when the job ended before. */
  synchronized boolean start(Plan plan, List<String> workerIds) {
    if (JobStates.isTerminal(job.getState())) {
      return false;
    }
    job = job.toBuilder().setAttempt(job.getAttempt() + 1).clearWaitingFor().build();
    runAttempt = job.getAttempt();
    isTurnGiven = false;
    lacksWorkers = false;
    moveTo(JobState.JOB_STATE_RUNNING, "runs on " + String.join(", ", workerIds));
    job = job.toBuilder().setPlan(plan).clearWorkerIds().addAllWorkerIds(workerIds).build();
    append(
        JobEvent.newBuilder()
            .setPlanned(JobEvent.Planned.newBuilder().setPlan(plan).addAllWorkerIds(workerIds)));
    return true;
  }

  /**
   * A running job lost its workers and waits again; false when it ended before.
   *
   * @param stepsKept that the next attempt need not do
   * @param fruitless attempts in a row, this one included, that kept no new step
   */
  synchronized boolean requeue(String reason, int stepsKept, int fruitless) {
    if (JobStates.isTerminal(job.getState())) {
      return false;
    }
    moveTo(JobState.JOB_STATE_QUEUED, reason);
    record.setFruitlessAttempts(fruitless);
    lostMillis = clock.millis();
    job = job.toBuilder().setStepsDone(stepsKept).build();
    queuePosition = -1;
    append(
        JobEvent.newBuilder()
            .setRequeued(JobEvent.Requeued.newBuilder().setReason(reason).setStepsDone(stepsKept)));
    return true;
  }

  /** A running job gives its workers up after a segment, and waits for its next turn. */
  synchronized boolean giveTurn(String reason) {
    isTurnGiven = requeue(reason, /* stepsKept= */ 0, /* fruitless= */ 0);
    lostMillis = -1;
    return isTurnGiven;
  }

  /** Whether it has its turn before all that were not started: it lost its workers. */
  synchronized boolean goesFirst() {
    return job.getAttempt() > 0 && !isTurnGiven;
  }

  /** Whether the workers that are there can't do it, as far as that was found out. */
  synchronized boolean lacksWorkers() {
    return lacksWorkers;
  }

  /**
   * A step is done, or frames are decoded. No effect when the attempt is not the running one.
   *
   * @return how long it was without its workers, where it has just done a step again
   */
  synchronized Optional<Duration> progress(long attempt, JobEvent.Builder event) {
    Optional<Duration> recovery = Optional.empty();
    if (isRunning(attempt)) {
      if (event.hasStepDone()) {
        job = job.toBuilder().setStepsDone(event.getStepDone().getStep()).build();
        if (lostMillis >= 0) {
          recovery = Optional.of(Duration.ofMillis(Math.max(0, clock.millis() - lostMillis)));
          lostMillis = -1;
        }
      }
      append(event);
    }
    return recovery;
  }

  /** How long it has waited since it was queued, the last time. */
  Duration waited() {
    Job now = snapshot();
    long sinceMillis = Timestamps.toMillis(now.getHistory(now.getHistoryCount() - 1).getTime());
    // A clock that was put back has no say.
    return Duration.ofMillis(Math.max(0, clock.millis() - sinceMillis));
  }

  /** Who are told of its events. */
  int watchers() {
    return watchers.size();
  }

  /**
   * A segment can be streamed. Unless it is the last one, the next one is begun, as a new attempt, and events of steps and frames are
   * forgotten, so that they don't grow with the video.
   *
   * @return false, and no effect, when the attempt is not the running one
   */
  synchronized boolean segmentDone(long attempt, JobEvent.SegmentDone segment) {
    if (!isRunning(attempt)) {
      return false;
    }
    record.setFruitlessAttempts(0);
    if (segment.hasStepCacheUse()) {
      record.setStepCacheUse(StepCaches.sum(record.getStepCacheUse(), segment.getStepCacheUse()));
    }
    Job.Builder next =
        job.toBuilder()
            .setSegmentsDone(segment.getSegment())
            .setFramesDone(segment.getFrames())
            .setStreamBytes(segment.getStreamBytes());
    if (segment.getSegment() < segment.getSegments()) {
      next.setAttempt(attempt + 1).setStepsDone(0);
      runAttempt = attempt + 1;
      events.forgetSteps();
    }
    job = next.build();
    append(JobEvent.newBuilder().setSegmentDone(segment));
    return true;
  }

  /** Sets it terminal; false when the job ended before. */
  synchronized boolean end(Outcome outcome) {
    if (JobStates.isTerminal(job.getState())) {
      return false;
    }
    switch (outcome) {
      case Outcome.Done done -> {
        moveTo(JobState.JOB_STATE_DONE, "its video is written");
        job =
            job.toBuilder()
                .setVideo(done.video())
                .addAllStageTimes(done.stageTimes())
                .addAllRankTimes(done.rankTimes())
                .setReuse(done.reuse())
                .build();
      }
      case Outcome.Failed failed -> {
        moveTo(JobState.JOB_STATE_FAILED, failed.message());
        job =
            job.toBuilder()
                .setError(
                    JobError.newBuilder()
                        .setReason(failed.code().name())
                        .setMessage(failed.message()))
                .build();
      }
      case Outcome.Canceled() -> moveTo(JobState.JOB_STATE_CANCELED, "the user asked");
    }
    job = job.toBuilder().clearWaitingFor().build();
    append(JobEvent.newBuilder().setEnded(job));
    return true;
  }

  /** The coordinator stops; watchers are told, and get no more events than are stored. */
  void close() {
    synchronized (this) {
      closed = true;
      notifyAll();
    }
    tellWatchers();
  }

  /** Whether the coordinator stops, so that watchers must come back when it is there again. */
  public synchronized boolean isClosed() {
    return closed;
  }

  /** Tells all watchers; called by a thread that holds no lock of an entry. */
  void tellWatchers() {
    watchers.forEach(Runnable::run);
  }

  /** What is not stored yet, to be reported to {@link #stored}; empty when all is. */
  synchronized Optional<Unstored> unstored() {
    if (version == storedVersion) {
      return Optional.empty();
    }
    EventLog.Unstored newEvents = events.unstored();
    List<JobRow.Transition> transitions = new ArrayList<>();
    for (int i = storedTransitions; i < job.getHistoryCount(); i++) {
      JobTransition transition = job.getHistory(i);
      transitions.add(
          new JobRow.Transition(
              i + 1L,
              Timestamps.toMillis(transition.getTime()),
              JobStates.name(transition.getState()),
              transition.getAttempt(),
              transition.getReason()));
    }
    JobRow row =
        new JobRow(
            id,
            JobStates.name(job.getState()),
            job.getTenant(),
            submittedMillis,
            job.getAttempt(),
            record.clone().setJob(job).build().toByteArray(),
            newEvents.added(),
            newEvents.forgotten(),
            transitions);
    return Optional.of(
        new Unstored(row, version, newEvents, job.getHistoryCount(), job.getStreamBytes()));
  }

  /** A change that is to be stored, and how far the entry had come. */
  record Unstored(
      JobRow row, long version, EventLog.Unstored events, int transitions, long streamBytes) {}

  synchronized void stored(Unstored written) {
    storedVersion = written.version;
    events.stored(written.events);
    storedTransitions = written.transitions;
    storedStreamBytes = written.streamBytes;
  }

  /** Watchers have been told of what is stored; whoever waits for it goes on. */
  synchronized void announceStored() {
    announcedVersion = storedVersion;
    notifyAll();
  }

  /**
   * Waits until everything up to now is stored, and watchers have been told.
   *
   * @return false when it took longer, or the coordinator stops before
   */
  synchronized boolean awaitStored(Duration patience) throws InterruptedException {
    long wanted = version;
    long deadline = System.nanoTime() + patience.toNanos();
    while (announcedVersion < wanted) {
      long leftNanos = deadline - System.nanoTime();
      if (leftNanos <= 0 || closed) {
        return false;
      }
      TimeUnit.NANOSECONDS.timedWait(this, leftNanos);
    }
    return true;
  }

  private void moveTo(JobState state, String reason) {
    JobState now = job.getState();
    if (!JobStates.isLegal(now, state)) {
      throw new IllegalStateException(
          "Expected a legal change of job %s, but got %s to %s".formatted(id, now, state));
    }
    job =
        job.toBuilder()
            .setState(state)
            .addHistory(
                JobTransition.newBuilder()
                    .setTime(Timestamps.fromMillis(clock.millis()))
                    .setState(state)
                    .setReason(shortened(reason))
                    .setAttempt(job.getAttempt()))
            .build();
    version++;
  }

  /** As the database takes it. */
  private static String shortened(String reason) {
    return reason.length() <= JobRow.MAX_REASON ? reason : reason.substring(0, JobRow.MAX_REASON);
  }

  private void append(JobEvent.Builder event) {
    events.append(event, Timestamps.fromMillis(clock.millis()));
    version++;
  }
}
