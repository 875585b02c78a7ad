package dev.longtake.coordinator.jobs;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.process.LogContext;
import dev.longtake.coordinator.artifacts.JobArtifacts;
import dev.longtake.coordinator.database.JobDatabase;
import dev.longtake.coordinator.database.JobRow;
import dev.longtake.coordinator.jobs.NewJob.IdempotencyKey;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobEvent;
import dev.longtake.v1.JobState;
import dev.longtake.v1.Plan;
import java.sql.SQLException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;
import java.util.function.Predicate;
import java.util.random.RandomGenerator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * All jobs: the bounded queue, the running ones, and the most recent of those that ended. Every change of a job goes through here, and is
 * stored by the {@link Journal} soon after; a job that was acknowledged is stored. A job that leaves the history takes its video with it.
 *
 * <p>Thread-safe. The store's lock is taken before an entry's, never after it; watchers are told without either.
 */
public final class JobStore implements AutoCloseable {
  /** Jobs at the front of the queue: they are told their place whenever it changes, and tried in turn. */
  static final int FRONT = 16;

  private static final Logger log = LoggerFactory.getLogger(JobStore.class);

  /** How long a submission or a cancellation waits for the database. */
  private static final Duration STORE_PATIENCE = Duration.ofSeconds(10);

  private final JobDatabase database;
  private final JobFiles files;
  private final int queueLimit;
  private final InstantSource clock;
  private final JobIds ids;
  private final Journal journal;
  private final JobMeters meters;
  private final RunTimes runTimes = new RunTimes();

  private final ReentrantLock lock = new ReentrantLock();
  private final Condition queued = lock.newCondition();
  private final LinkedHashMap<String, JobEntry> byId = new LinkedHashMap<>();
  private final SubmissionKeys keys = new SubmissionKeys();
  private final FairQueue queue = new FairQueue();
  private final Deadlines deadlines = new Deadlines();
  private final JobHistory history = new JobHistory();
  private int running;
  private boolean closed;

  /**
   * A store of what the database holds.
   *
   * @param database the caller's, used by nobody else until the store is closed
   * @param queueLimit most jobs that wait
   * @param clock for times that people see, ids and deadlines
   * @param random for ids
   * @param meters of the process
   * @throws LongtakeException STORAGE_UNAVAILABLE when jobs can't be read
   */
  public static JobStore open(
      JobDatabase database,
      JobArtifacts artifacts,
      int queueLimit,
      InstantSource clock,
      RandomGenerator random,
      JobMeters meters) {
    JobStore store = new JobStore(database, artifacts, queueLimit, clock, random, meters);
    try {
      store.restore(database.load());
    } catch (SQLException | InvalidProtocolBufferException e) {
      throw new LongtakeException(
          ErrorCode.STORAGE_UNAVAILABLE,
          "Expected to read the jobs of the database, but it failed: " + e.getMessage(),
          e);
    }
    store.journal.start();
    return store;
  }

  private JobStore(
      JobDatabase database,
      JobArtifacts artifacts,
      int queueLimit,
      InstantSource clock,
      RandomGenerator random,
      JobMeters meters) {
    this.database = database;
    this.files = new JobFiles(artifacts);
    this.queueLimit = queueLimit;
    this.clock = clock;
    this.ids = new JobIds(clock, random);
    this.meters = meters;
    this.journal = new Journal(database, this::onStored, meters);
  }

  private void restore(List<JobRow> rows) throws InvalidProtocolBufferException {
    for (JobRow row : rows) {
      JobEntry entry = new JobEntry(row, clock);
      byId.put(entry.id(), entry);
      keys.add(entry);
      if (entry.isTerminal()) {
        history.add(entry);
        continue;
      }
      if (entry.snapshot().getState() == JobState.JOB_STATE_RUNNING) {
        // Its workers stopped when the coordinator's connections broke; a new attempt fences them.
        entry.requeue(
            "the coordinator was started again, or another one leads",
            files.stepsKept(entry),
            entry.fruitlessAttempts());
        journal.changed(entry);
      }
      queue.add(entry);
      deadlines.add(entry);
    }
    files.delete(forget());
    files.retainWork(byId.values());
    if (queue.size() > 0) {
      log.info("{} jobs go on that had not ended", queue.size());
    }
  }

  /**
   * The job that a retried submission made before, when it is stored.
   *
   * @param requestDigest of the request as it came
   * @return empty for a new one
   * @throws LongtakeException INVALID_REQUEST when the key was used for another request, STORAGE_UNAVAILABLE
   */
  public Optional<JobEntry> find(IdempotencyKey key, ByteString requestDigest) {
    Optional<JobEntry> found;
    lock.lock();
    try {
      found = keys.find(key, requestDigest);
    } finally {
      lock.unlock();
    }
    found.ifPresent(this::requireStored);
    return found;
  }

  /**
   * Queues a job, and returns when it is stored; a job that its key made before is returned instead.
   *
   * @throws LongtakeException QUEUE_FULL, QUOTA_EXCEEDED, STORAGE_UNAVAILABLE, INVALID_REQUEST when the key was used for another request, UNREACHABLE
   *     when the coordinator shuts down
   */
  public JobEntry submit(NewJob submitted) {
    String id = freeId(submitted.terms());
    // Without the lock: a disk may be slow. The folder's fault, if there is one, makes no job.
    files.writeInputs(id, submitted);
    JobEntry entry;
    boolean isNew = false;
    try {
      entry = enqueue(id, submitted);
      isNew = entry.id().equals(id);
    } finally {
      if (!isNew) {
        files.delete(id);
      }
    }
    requireStored(entry);
    return entry;
  }

  private String freeId(NewJob.Terms terms) {
    lock.lock();
    try {
      requireRoom(terms);
      String id = ids.next();
      while (byId.containsKey(id)) {
        id = ids.next();
      }
      return id;
    } finally {
      lock.unlock();
    }
  }

  private JobEntry enqueue(String id, NewJob submitted) {
    lock.lock();
    try {
      NewJob.Terms terms = submitted.terms();
      Optional<JobEntry> same = keys.find(terms.key(), terms.requestDigest());
      if (same.isPresent()) {
        return same.get();
      }
      requireRoom(terms);
      JobEntry entry = new JobEntry(id, submitted, clock);
      byId.put(id, entry);
      keys.add(entry);
      queue.add(entry);
      deadlines.add(entry);
      int last = queue.size() - 1;
      entry.queuedAt(last, runTimes.untilStart(last, running));
      tellPlaces();
      journal.changed(entry);
      queued.signalAll();
      return entry;
    } finally {
      lock.unlock();
    }
  }

  /** An unacknowledged job is ended, so that it can't surprise anybody when the database is back. */
  private void requireStored(JobEntry entry) {
    boolean stored = false;
    try {
      stored = entry.awaitStored(STORE_PATIENCE);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    if (!stored && entry.isClosed()) {
      throw new LongtakeException(
          ErrorCode.UNREACHABLE,
          "The coordinator stopped before it had stored the job; submit again when it is back");
    }
    if (!stored) {
      LongtakeException failure =
          new LongtakeException(
              ErrorCode.STORAGE_UNAVAILABLE,
              "Expected the database to store the job within %d s, but it did not; see the coordinator's log, then submit again"
                  .formatted(STORE_PATIENCE.toSeconds()));
      lock.lock();
      try {
        keys.remove(entry);
      } finally {
        lock.unlock();
      }
      end(entry, Outcome.Failed.of(failure));
      throw failure;
    }
  }

  /**
   * Refuses early, before a prompt is encoded for nothing.
   *
   * @throws LongtakeException QUEUE_FULL, QUOTA_EXCEEDED, STORAGE_UNAVAILABLE, or UNREACHABLE when the coordinator shuts down
   */
  public void requireRoom(NewJob.Terms terms) {
    lock.lock();
    try {
      if (closed) {
        throw new LongtakeException(
            ErrorCode.UNREACHABLE,
            "The coordinator is shutting down; submit again when it is back");
      }
      if (journal.isFailing()) {
        throw new LongtakeException(
            ErrorCode.STORAGE_UNAVAILABLE,
            "Expected a database that stores jobs, but it fails at the moment; see the"
                + " coordinator's log, then submit again");
      }
      QueueLimits.requireQuota(terms, queue.jobsOf(terms.key().tenant()));
      if (queue.size() >= queueLimit) {
        throw QueueLimits.full(queue.size(), queueLimit, runTimes.estimate(1, running));
      }
    } finally {
      lock.unlock();
    }
  }

  /**
   * The job with this id.
   *
   * @throws LongtakeException NO_SUCH_JOB
   */
  public JobEntry get(String id) {
    lock.lock();
    try {
      JobEntry entry = byId.get(id);
      if (entry == null) {
        throw JobIds.unknown(id);
      }
      return entry;
    } finally {
      lock.unlock();
    }
  }

  /** Those that fit, newest first. */
  public List<Job> list(int limit, Predicate<Job> fits) {
    lock.lock();
    try {
      return byId.sequencedValues().reversed().stream()
          .map(JobEntry::snapshot)
          .filter(fits)
          .limit(limit)
          .toList();
    } finally {
      lock.unlock();
    }
  }

  public JobCounts counts() {
    lock.lock();
    try {
      return new JobCounts(queue.size(), running);
    } finally {
      lock.unlock();
    }
  }

  /** Calls that are told of jobs' events. */
  public int watchers() {
    lock.lock();
    try {
      return byId.values().stream().mapToInt(JobEntry::watchers).sum();
    } finally {
      lock.unlock();
    }
  }

  /** Whether changes of jobs reach the disk. */
  public boolean isStoring() {
    return !journal.isFailing();
  }

  /**
   * The jobs whose turn it is, in order, at most {@link #FRONT}; they stay in the queue until they are started or ended.
   *
   * @return empty when none came for {@code patience}
   */
  List<JobEntry> awaitTurns(Duration patience) throws InterruptedException {
    long remainingNanos = patience.toNanos();
    lock.lockInterruptibly();
    try {
      while ((queue.size() == 0 || closed) && remainingNanos > 0) {
        remainingNanos = queued.awaitNanos(remainingNanos);
      }
      return closed ? List.of() : queue.first(FRONT);
    } finally {
      lock.unlock();
    }
  }

  /** Ends those whose deadline is over. */
  void expire() {
    List<JobEntry> late;
    lock.lock();
    try {
      late = deadlines.passed(clock.instant());
    } finally {
      lock.unlock();
    }
    late.forEach(entry -> end(entry, Deadlines.outcome(entry)));
  }

  /**
   * Takes the job out of the queue and sets it running, in a new attempt.
   *
   * @return false when it ended before, or the store is closed
   */
  boolean start(JobEntry entry, Plan plan, List<String> workerIds) {
    lock.lock();
    try {
      if (closed || entry.isTerminal()) {
        return false;
      }
      queue.starting(entry);
      queue.remove(entry);
      entry.start(plan, workerIds);
      running++;
      journal.changed(entry);
      tellPlaces();
      return true;
    } finally {
      lock.unlock();
    }
  }

  /** A step is done, or frames are decoded. No effect when the attempt is not the running one. */
  void progress(JobEntry entry, long attempt, JobEvent.Builder event) {
    entry.progress(attempt, event).ifPresent(meters::recovered);
    journal.changed(entry);
  }

  /**
   * A segment of a running job can be streamed; unless it was the last one, the next one is begun, in a new attempt.
   *
   * @return false when the attempt is not the running one
   */
  boolean segmentDone(JobEntry entry, long attempt, JobEvent.SegmentDone segment) {
    lock.lock();
    try {
      if (!entry.segmentDone(attempt, segment)) {
        return false;
      }
      journal.changed(entry);
      return true;
    } finally {
      lock.unlock();
    }
  }

  /** Whether a running job may go on with its next segment, since nobody else who could start has his turn before it. */
  boolean keepsTurn(JobEntry entry) {
    lock.lock();
    try {
      return queue.keepsTurn(entry);
    } finally {
      lock.unlock();
    }
  }

  /**
   * Puts a running job back into the queue, in its turn.
   *
   * @return false when the attempt is not the running one
   */
  boolean giveTurn(JobEntry entry, long attempt, String reason) {
    return requeue(entry, attempt, () -> entry.giveTurn(reason));
  }

  /**
   * Puts a running job back into the queue, in front.
   *
   * @param fruitless attempts in a row, this one included, that kept no new step
   * @return false when the attempt is not the running one
   */
  boolean requeue(JobEntry entry, long attempt, String reason, int stepsKept, int fruitless) {
    return requeue(entry, attempt, () -> entry.requeue(reason, stepsKept, fruitless));
  }

  private boolean requeue(JobEntry entry, long attempt, Runnable change) {
    lock.lock();
    try {
      if (!entry.isRunning(attempt)) {
        return false;
      }
      change.run();
      running--;
      queue.add(entry);
      queue.stopped(entry);
      journal.changed(entry);
      tellPlaces();
      queued.signalAll();
    } finally {
      lock.unlock();
    }
    entry.tellRuns();
    return true;
  }

  /**
   * Ends a job by one of its attempts.
   *
   * @return false when the attempt is not the running one
   */
  boolean end(JobEntry entry, long attempt, Outcome outcome) {
    return end(entry, outcome, () -> entry.isRunning(attempt));
  }

  /**
   * Ends the job, whatever its state; its run notices by its subscription and stops.
   *
   * @return false when it ended before
   */
  boolean end(JobEntry entry, Outcome outcome) {
    return end(entry, outcome, () -> true);
  }

  private boolean end(JobEntry entry, Outcome outcome, BooleanSupplier allowed) {
    List<JobEntry> forgotten;
    lock.lock();
    try {
      boolean waited = entry.snapshot().getState() == JobState.JOB_STATE_QUEUED;
      if (!allowed.getAsBoolean() || !entry.end(outcome)) {
        return false;
      }
      if (waited) {
        queue.remove(entry);
      } else {
        running--;
        queue.stopped(entry);
        runTimes.ended(entry.snapshot());
      }
      deadlines.remove(entry);
      history.add(entry);
      journal.changed(entry);
      tellPlaces();
      forgotten = forget();
    } finally {
      lock.unlock();
    }
    // Without the lock: a disk may be slow.
    files.delete(forgotten);
    meters.ended(entry.snapshot());
    entry.tellRuns();
    return true;
  }

  private void tellPlaces() {
    List<JobEntry> front = queue.first(FRONT);
    for (int place = 0; place < front.size(); place++) {
      if (front.get(place).queuedAt(place, runTimes.untilStart(place, running))) {
        journal.changed(front.get(place));
      }
    }
  }

  /** Those that are too many, whose files are still there. */
  private List<JobEntry> forget() {
    List<JobEntry> forgotten = history.trim();
    journal.forget(forgotten);
    for (JobEntry entry : forgotten) {
      byId.remove(entry.id());
      keys.remove(entry);
    }
    return forgotten;
  }

  /** By the journal's thread, without a lock. */
  private void onStored(JobEntry entry) {
    files.deleteWorkOfEnded(entry);
    entry.tellWatchers();
  }

  /**
   * Whoever ran the job does not use its files any more.
   *
   * @param attempt that it ran
   */
  void released(JobEntry entry, long attempt) {
    entry.runEnded(attempt);
    files.deleteWorkOfEnded(entry);
  }

  /**
   * Cancels a queued or running job; a terminal one stays as it is.
   *
   * @return the job afterwards
   * @throws LongtakeException NO_SUCH_JOB, or STORAGE_UNAVAILABLE when it was canceled, which may be forgotten
   */
  public Job cancel(String id) {
    JobEntry entry = get(id);
    if (end(entry, new Outcome.Canceled())) {
      try (var _ = LogContext.job(id)) {
        log.info("Job {} was canceled", id);
      }
    }
    try {
      if (!entry.awaitStored(STORE_PATIENCE)) {
        throw new LongtakeException(
            ErrorCode.STORAGE_UNAVAILABLE,
            "The job was canceled, but the database has not stored that within %d s; cancel it again when the coordinator was restarted before it could"
                .formatted(STORE_PATIENCE.toSeconds()));
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    return entry.snapshot();
  }

  /**
   * Takes no more jobs and stops those that run, which go on when the coordinator is back; watchers are told to come back then, too.
   * What is not stored is stored, in bounded time; then the database is closed.
   */
  @Override
  public void close() {
    List<JobEntry> all;
    lock.lock();
    try {
      if (closed) {
        return;
      }
      closed = true;
      all = List.copyOf(byId.values());
      queued.signalAll();
    } finally {
      lock.unlock();
    }
    for (JobEntry entry : all) {
      requeue(
          entry,
          entry.snapshot().getAttempt(),
          "the coordinator shut down",
          entry.snapshot().getStepsDone(),
          entry.fruitlessAttempts());
    }
    journal.close();
    all.forEach(JobEntry::close);
    database.close();
  }
}
