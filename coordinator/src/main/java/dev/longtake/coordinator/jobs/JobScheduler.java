package dev.longtake.coordinator.jobs;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.coordinator.fleet.Fleet;
import dev.longtake.coordinator.fleet.Gang;
import dev.longtake.coordinator.fleet.Member;
import dev.longtake.coordinator.planner.Clips;
import dev.longtake.coordinator.planner.ClusterView;
import dev.longtake.coordinator.planner.MeasuredLinks;
import dev.longtake.coordinator.planner.Planner;
import dev.longtake.coordinator.planner.WorkerView;
import dev.longtake.coordinator.planner.Workload;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.Plan;
import dev.longtake.v1.WorkerDescription;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One thread that takes the next job, reserves all idle workers for it, plans it, and hands it to a thread of its own.
 * There are never more running jobs than workers.
 */
public final class JobScheduler implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(JobScheduler.class);

  /** How long one wait for a job or a worker lasts before the scheduler looks around again. */
  private static final Duration PATIENCE = Duration.ofSeconds(1);

  private static final Duration STOP_TIMEOUT = Duration.ofSeconds(5);

  private final JobStore store;
  private final Fleet fleet;
  private final JobRunner runner;
  private final ExecutorService runs;
  private final Thread thread;
  private volatile boolean stopping;

  /**
   * @param runs one thread per running job; the caller's, who closes it after this
   */
  public JobScheduler(JobStore store, Fleet fleet, JobRunner runner, ExecutorService runs) {
    this.store = store;
    this.fleet = fleet;
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
        Optional<JobEntry> next = store.awaitNext(PATIENCE);
        if (next.isPresent()) {
          tryStart(next.get());
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
    Optional<Gang> reserved = fleet.reserveIdle(entry.id(), PATIENCE);
    if (reserved.isEmpty()) {
      return;
    }
    Gang gang = reserved.get();
    boolean handedOver = false;
    try {
      requireModel(entry.card(), gang);
      Plan plan = plan(entry, gang);
      gang.trimTo(plan.getSequenceRanks());
      List<String> ids = gang.members().stream().map(Member::id).toList();
      long waitedNanos = store.ageNanos(entry);
      if (store.start(entry, plan, ids)) {
        log.info("Job {} starts on {}", entry.id(), ids);
        runs.execute(() -> runner.run(entry, gang, waitedNanos));
        handedOver = true;
      }
    } catch (LongtakeException e) {
      store.end(entry, Outcome.Failed.of(e));
    } catch (RuntimeException e) {
      // Without an end the job would be tried again and again, for ever.
      log.error("Job {} could not be started by our mistake", entry.id(), e);
      store.end(
          entry,
          new Outcome.Failed(
              ErrorCode.INTERNAL,
              "Internal error (%s); the coordinator's log has the details"
                  .formatted(e.getClass().getSimpleName())));
    } finally {
      if (!handedOver) {
        gang.close();
      }
    }
  }

  /** All idle workers share every sequence. */
  private static Plan plan(JobEntry entry, Gang gang) {
    List<WorkerView> workers =
        gang.members().stream().map(Member::description).map(JobScheduler::view).toList();
    List<String> ids = workers.stream().map(WorkerView::id).toList();
    List<String> hosts = workers.stream().map(WorkerView::host).toList();
    var workload =
        new Workload(
            entry.card().getProfile(),
            Clips.geometry(entry.card(), entry.request()),
            /* samples= */ 1,
            /* rows= */ 2,
            entry.card().getMaxTextTokens(),
            entry.request().getPrecision(),
            /* learnedVariance= */ false);
    return Planner.forced(
            Plan.newBuilder().setSequenceRanks(workers.size()).build(),
            workload,
            new ClusterView(workers, new MeasuredLinks(List.of(), ids, hosts)))
        .plan();
  }

  private static WorkerView view(WorkerDescription worker) {
    return new WorkerView(
        worker.getId(),
        worker.getHost(),
        worker.getProcessors(),
        worker.getThreads(),
        worker.getMemoryTotalBytes(),
        Optional.empty());
  }

  /** All workers may have left and others joined since the job was accepted. */
  private static void requireModel(ModelCard card, Gang gang) {
    ModelCard now = gang.members().getFirst().description().getModel();
    if (!now.getFingerprint().equals(card.getFingerprint())) {
      throw new LongtakeException(
          ErrorCode.MODEL_MISMATCH,
          "Expected workers with the model %s that the job was submitted for, but they now have %s; submit it again"
              .formatted(card.getName(), now.getName()));
    }
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
