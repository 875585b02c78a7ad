package dev.longtake.coordinator.jobs;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.coordinator.fleet.Fleet;
import dev.longtake.coordinator.fleet.Gang;
import dev.longtake.coordinator.measure.Measurer;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One thread that takes the next job, plans it over the idle workers, reserves those that the plan uses, and hands it to a thread
 * of its own. Jobs start in the order of the {@link FairQueue}: one that must wait for workers holds up those behind it. While a job waits,
 * nothing is measured.
 */
public final class JobScheduler implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(JobScheduler.class);

  /** How long one wait for a job or a worker lasts before the scheduler looks around again. */
  private static final Duration PATIENCE = Duration.ofSeconds(1);

  private static final Duration STOP_TIMEOUT = Duration.ofSeconds(5);

  private final JobStore store;
  private final Fleet fleet;
  private final Measurer measurer;
  private final Placer placer;
  private final JobRunner runner;
  private final ExecutorService runs;
  private final Thread thread;
  private String waitingJobId = "";
  private volatile boolean stopping;

  /**
   * @param runs one thread per running job; the caller's, who closes it after this
   */
  public JobScheduler(
      JobStore store,
      Fleet fleet,
      Measurer measurer,
      Planning planning,
      JobRunner runner,
      ExecutorService runs) {
    this.store = store;
    this.fleet = fleet;
    this.measurer = measurer;
    this.placer = new Placer(fleet, planning);
    this.runner = runner;
    this.runs = runs;
    this.thread = Thread.ofPlatform().name("scheduler").daemon().unstarted(this::schedule);
  }

  public void start() {
    thread.start();
  }

  private void schedule() {
    while (!stopping) {
      try {
        store.expire();
        Optional<JobEntry> next = store.awaitNext(PATIENCE);
        if (next.isPresent()) {
          tryStart(next.get());
        }
        if (store.counts().queued() == 0) {
          measurer.resume();
        }
      } catch (InterruptedException e) {
        // Only close() interrupts, after setting the flag that ends the loop.
        log.debug("The scheduler was told to stop");
      } catch (RuntimeException e) {
        log.error("The scheduler goes on after our mistake", e);
      }
    }
  }

  private void tryStart(JobEntry entry) throws InterruptedException {
    measurer.want(entry.request().getPrecision());
    if (!measurer.standBack(PATIENCE)) {
      return;
    }
    long seen = fleet.version();
    Optional<Placement> placed = Optional.empty();
    try {
      placed = placer.place(entry, Math.max(0, store.counts().queued() - 1));
    } catch (LongtakeException e) {
      if (!waitsForCapacity(entry, e)) {
        store.end(entry, Outcome.Failed.of(e));
        return;
      }
    } catch (RuntimeException e) {
      failByOurMistake(entry, e);
      return;
    }
    if (placed.isPresent()) {
      start(entry, placed.get());
      return;
    }
    if (fleet.membersById().isEmpty()) {
      entry.waitsFor("Waits for a worker to join the cluster");
    } else if (entry.snapshot().getWaitingFor().isEmpty()) {
      entry.waitsFor("Waits for workers that are busy");
    }
    if (!waitingJobId.equals(entry.id())) {
      waitingJobId = entry.id();
      log.info("Job {} waits for workers", entry.id());
    }
    fleet.awaitChange(seen, PATIENCE);
  }

  /** A job that ran before had workers that could do it, and they may come back. */
  private boolean waitsForCapacity(JobEntry entry, LongtakeException refusal) {
    boolean waits =
        entry.wasStarted()
            && (refusal.code() == ErrorCode.OUT_OF_MEMORY
                || refusal.code() == ErrorCode.INVALID_REQUEST);
    if (waits) {
      entry.waitsFor(
          "Waits for more workers, since with those that are left: " + refusal.getMessage());
    }
    return waits;
  }

  private void start(JobEntry entry, Placement placement) {
    Gang gang = placement.gang();
    boolean handedOver = false;
    try {
      List<String> ids = gang.workerIds();
      long waitedNanos = store.waited(entry).toNanos();
      if (store.start(entry, placement.plan(), ids)) {
        log.info("Job {} starts on {}", entry.id(), ids);
        runs.execute(() -> runner.run(entry, gang, waitedNanos));
        handedOver = true;
      }
    } catch (RuntimeException e) {
      failByOurMistake(entry, e);
    } finally {
      if (!handedOver) {
        gang.close();
      }
    }
  }

  /** Without an end the job would be tried again and again, for ever. */
  private void failByOurMistake(JobEntry entry, RuntimeException e) {
    log.error("Job {} could not be started by our mistake", entry.id(), e);
    store.end(
        entry,
        new Outcome.Failed(
            ErrorCode.INTERNAL,
            "Internal error (%s); the coordinator's log has the details"
                .formatted(e.getClass().getSimpleName())));
  }

  /** Stops taking jobs. Running ones are ended by {@link JobStore#close}. */
  @Override
  public void close() {
    stopping = true;
    thread.interrupt();
    try {
      if (!thread.join(STOP_TIMEOUT)) {
        log.warn("The scheduler did not stop within {} s", TimeUnit.SECONDS.convert(STOP_TIMEOUT));
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
