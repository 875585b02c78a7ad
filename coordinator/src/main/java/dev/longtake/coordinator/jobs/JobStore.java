package dev.longtake.coordinator.jobs;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.error.Quoted;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobEvent;
import dev.longtake.v1.Plan;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongSupplier;
import java.util.random.RandomGenerator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * All jobs, in memory: the bounded queue in order of submission, the running ones, and the most recent of those that
 * ended. Every change of a job goes through here. A job that leaves the history takes its video with it.
 *
 * <p>Thread-safe. The store's lock is taken before an entry's, never after it; watchers are told without either.
 */
public final class JobStore {
  /** Terminal jobs that are remembered. */
  static final int HISTORY_JOBS = 1000;

  /** Events of terminal jobs that are remembered: about 150 bytes each. */
  static final int HISTORY_EVENTS = 200_000;

  private static final Logger log = LoggerFactory.getLogger(JobStore.class);

  private final int queueLimit;
  private final InstantSource clock;
  private final LongSupplier nanoTime;
  private final JobIds ids;

  private final ReentrantLock lock = new ReentrantLock();
  private final Condition queued = lock.newCondition();
  private final LinkedHashMap<String, JobEntry> byId = new LinkedHashMap<>();
  private final ArrayDeque<JobEntry> queue = new ArrayDeque<>();
  private final ArrayDeque<JobEntry> ended = new ArrayDeque<>();
  private int endedEvents;
  private int running;
  private boolean closed;

  /**
   * @param queueLimit most jobs that wait
   * @param clock for times that people see, and ids
   * @param nanoTime a monotonic clock, for durations
   * @param random for ids
   */
  public JobStore(
      int queueLimit, InstantSource clock, LongSupplier nanoTime, RandomGenerator random) {
    this.queueLimit = queueLimit;
    this.clock = clock;
    this.nanoTime = nanoTime;
    this.ids = new JobIds(clock, random);
  }

  /**
   * Queues a job.
   *
   * @throws LongtakeException QUEUE_FULL, or UNREACHABLE when the coordinator shuts down
   */
  public JobEntry submit(NewJob submitted) {
    JobEntry entry;
    lock.lock();
    try {
      requireRoom();
      String id = ids.next();
      while (byId.containsKey(id)) {
        id = ids.next();
      }
      entry = new JobEntry(id, submitted, clock, nanoTime.getAsLong());
      byId.put(id, entry);
      entry.queuedAt(queue.size());
      queue.add(entry);
      queued.signalAll();
    } finally {
      lock.unlock();
    }
    return entry;
  }

  /**
   * Refuses early, before a prompt is encoded for nothing.
   *
   * @throws LongtakeException QUEUE_FULL, or UNREACHABLE when the coordinator shuts down
   */
  public void requireRoom() {
    lock.lock();
    try {
      if (closed) {
        throw new LongtakeException(
            ErrorCode.UNREACHABLE,
            "The coordinator is shutting down; submit again when it is back");
      }
      if (queue.size() >= queueLimit) {
        throw new LongtakeException(
            ErrorCode.QUEUE_FULL,
            "Expected room in the queue, but %d of %d jobs wait; submit again later or raise --queue-limit"
                .formatted(queue.size(), queueLimit));
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
        throw new LongtakeException(
            ErrorCode.NO_SUCH_JOB,
            "Expected the id of a job, but %s is none or was forgotten; list the jobs"
                .formatted(Quoted.of(id)));
      }
      return entry;
    } finally {
      lock.unlock();
    }
  }

  /** Newest first. */
  public List<Job> list(int limit) {
    lock.lock();
    try {
      return byId.sequencedValues().reversed().stream()
          .limit(limit)
          .map(JobEntry::snapshot)
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

  /**
   * The job to start next, which stays in the queue until it is started or ended.
   *
   * @return empty when none came for {@code patience}
   */
  Optional<JobEntry> awaitNext(Duration patience) throws InterruptedException {
    long remainingNanos = patience.toNanos();
    lock.lockInterruptibly();
    try {
      while (queue.isEmpty() && remainingNanos > 0) {
        remainingNanos = queued.awaitNanos(remainingNanos);
      }
      return Optional.ofNullable(queue.peekFirst());
    } finally {
      lock.unlock();
    }
  }

  /** Nanoseconds since the job was submitted. */
  long ageNanos(JobEntry entry) {
    return nanoTime.getAsLong() - entry.submittedNanos();
  }

  /**
   * Takes the job out of the queue and sets it running.
   *
   * @return false when it ended before
   */
  boolean start(JobEntry entry, Plan plan, List<String> workerIds) {
    List<JobEntry> changed;
    lock.lock();
    try {
      if (!entry.start(plan, workerIds)) {
        return false;
      }
      running++;
      changed = dequeue(entry);
    } finally {
      lock.unlock();
    }
    changed.forEach(JobEntry::tellWatchers);
    return true;
  }

  void progress(JobEntry entry, JobEvent.StepDone step) {
    entry.progress(step);
    entry.tellWatchers();
  }

  void progress(JobEntry entry, JobEvent.FramesDecoded frames) {
    entry.progress(frames);
    entry.tellWatchers();
  }

  /**
   * Ends the job, whatever its state; its run notices by its subscription and stops.
   *
   * @return false when it ended before
   */
  boolean end(JobEntry entry, Outcome outcome) {
    List<JobEntry> changed;
    List<JobEntry> forgotten;
    lock.lock();
    try {
      boolean waited = queue.contains(entry);
      if (!entry.end(outcome)) {
        return false;
      }
      if (waited) {
        changed = dequeue(entry);
      } else {
        running--;
        changed = List.of(entry);
      }
      ended.add(entry);
      endedEvents += entry.eventCount();
      forgotten = trimHistory();
    } finally {
      lock.unlock();
    }
    changed.forEach(JobEntry::tellWatchers);
    forgotten.forEach(JobStore::deleteVideo);
    return true;
  }

  /** Removes an entry from the queue; returns it and those that moved up. */
  private List<JobEntry> dequeue(JobEntry entry) {
    queue.remove(entry);
    List<JobEntry> changed = new ArrayList<>(List.of(entry));
    int position = 0;
    for (JobEntry waiting : queue) {
      waiting.queuedAt(position++);
      changed.add(waiting);
    }
    return changed;
  }

  private List<JobEntry> trimHistory() {
    List<JobEntry> forgotten = new ArrayList<>();
    while (ended.size() > HISTORY_JOBS || (endedEvents > HISTORY_EVENTS && ended.size() > 1)) {
      JobEntry oldest = ended.removeFirst();
      endedEvents -= oldest.eventCount();
      byId.remove(oldest.id());
      forgotten.add(oldest);
    }
    return forgotten;
  }

  private static void deleteVideo(JobEntry forgotten) {
    Optional<Path> video = forgotten.videoFile();
    if (video.isPresent()) {
      try {
        Files.deleteIfExists(video.get());
      } catch (IOException e) {
        log.warn("Cannot delete {}, the video of a forgotten job: {}", video.get(), e.toString());
      }
    }
  }

  /**
   * Cancels a queued or running job; a terminal one stays as it is.
   *
   * @return the job afterwards
   * @throws LongtakeException NO_SUCH_JOB
   */
  public Job cancel(String id) {
    JobEntry entry = get(id);
    if (end(entry, new Outcome.Canceled())) {
      log.info("Job {} was canceled", id);
    }
    return entry.snapshot();
  }

  /** Takes no more jobs and ends those that have not ended, with a reason that says why. */
  public void close() {
    List<JobEntry> open;
    lock.lock();
    try {
      closed = true;
      open = byId.values().stream().filter(entry -> !entry.isTerminal()).toList();
    } finally {
      lock.unlock();
    }
    for (JobEntry entry : open) {
      end(
          entry,
          new Outcome.Failed(
              ErrorCode.CANCELED,
              "The coordinator shut down before the job was done; submit it again"));
    }
  }
}
