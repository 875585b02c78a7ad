package dev.longtake.coordinator.jobs;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.process.LogContext;
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
 * of its own. Jobs start in the order of the {@link FairQueue}: one that must wait for
 * workers that are busy holds up those behind it. While a job waits,
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
  private final JobMeters meters;
  private final ExecutorService runs;
  private final Thread thread;
  private String waitingJobId = "";
  private volatile boolean stopping;

  /**
   * @param mixedDevices whether a job may go on with another kind of device than it began with
   * @param runs one thread per running job; the caller's, who closes it after this
   */
  public JobScheduler(
      JobStore store,
      Fleet fleet,
      Measurer measurer,
      Planning planning,
      boolean mixedDevices,
      JobRunner runner,
      ExecutorService runs,
      JobMeters meters) {
    this.store = store;
    this.fleet = fleet;
    this.measurer = measurer;
    this.placer = new Placer(fleet, planning, mixedDevices);
    this.runner = runner;
    this.runs = runs;
    this.meters = meters;
    this.thread = Thread.ofPlatform().name("scheduler").daemon().unstarted(this::schedule);
  }

  public void start() {
    thread.start();
  }

  private void schedule() {
    while (!stopping) {
      try {
        store.expire();
        startInTurn(store.awaitTurns(PATIENCE));
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

  /** Tries jobs in turn until one has to wait for workers that are busy; one that waits for others to join holds up nobody. */
  private void startInTurn(List<JobEntry> turns) throws InterruptedException {
    long seen = fleet.version();
    for (JobEntry entry : turns) {
      try (var _ = LogContext.job(entry.id())) {
        Trial trial = tryStart(entry);
        if (trial == Trial.SETTLED) {
          return;
        }
        if (!waitingJobId.equals(entry.id())) {
          waitingJobId = entry.id();
          log.info("Job {}: {}", entry.id(), entry.snapshot().getWaitingFor());
        }
        if (trial == Trial.WAITS_ITS_TURN) {
          break;
        }
      }
    }
    if (!turns.isEmpty()) {
      fleet.awaitChange(seen, PATIENCE);
    }
  }

  private enum Trial {
    /** It runs, has ended, or is to be tried again at once: whose turn it is has changed. */
    SETTLED,
    /** Workers that it could have are busy; jobs behind it must not take them. */
    WAITS_ITS_TURN,
    /** Those that are there can't do it, busy or not. */
    LACKS_WORKERS
  }

  private Trial tryStart(JobEntry entry) throws InterruptedException {
    measurer.want(entry.request().getPrecision());
    if (!measurer.standBack(PATIENCE, /* urgent= */ entry.goesFirst())) {
      return Trial.SETTLED;
    }
    Optional<Placement> placed;
    try {
      placed = placer.place(entry, Math.max(0, store.counts().queued() - 1));
    } catch (LongtakeException e) {
      if (waitsForCapacity(entry, e)) {
        return Trial.LACKS_WORKERS;
      }
      store.end(entry, Outcome.Failed.of(e));
      return Trial.SETTLED;
    } catch (RuntimeException e) {
      failByOurMistake(entry, e);
      return Trial.SETTLED;
    }
    if (placed.isPresent()) {
      start(entry, placed.get());
      return Trial.SETTLED;
    }
    entry.waitsFor(
        fleet.usable().isEmpty()
            ? "Waits for a worker to join the cluster"
            : "Waits for workers that are busy",
        /* lacking= */ false);
    return Trial.WAITS_ITS_TURN;
  }

  /** A job that ran before had workers that could do it, and they may come back. */
  private boolean waitsForCapacity(JobEntry entry, LongtakeException refusal) {
    boolean waits =
        entry.wasStarted()
            && (refusal.code() == ErrorCode.OUT_OF_MEMORY
                || refusal.code() == ErrorCode.INVALID_REQUEST);
    if (waits) {
      entry.waitsFor(
          "Waits for more workers, since with those that are left: " + refusal.getMessage(),
          /* lacking= */ true);
    }
    return waits;
  }

  private void start(JobEntry entry, Placement placement) {
    Gang gang = placement.gang();
    boolean handedOver = false;
    long attempt = 0;
    try {
      List<String> ids = gang.workerIds();
      long waitedNanos = entry.waited().toNanos();
      entry.computesOn(gang.device());
      if (store.start(entry, placement.plan(), ids)) {
        attempt = entry.snapshot().getAttempt();
        meters.waited(entry.tenant(), waitedNanos);
        log.info("Job {} starts on {}", entry.id(), ids);
        runs.execute(() -> runner.run(entry, gang, waitedNanos));
        handedOver = true;
      }
    } catch (RuntimeException e) {
      failByOurMistake(entry, e);
    } finally {
      if (!handedOver) {
        gang.close();
        store.released(entry, attempt);
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
