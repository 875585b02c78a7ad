package dev.longtake.coordinator.jobs;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.process.LogContext;
import dev.longtake.coordinator.artifacts.JobArtifacts;
import dev.longtake.coordinator.fleet.Fleet;
import dev.longtake.coordinator.fleet.Gang;
import dev.longtake.coordinator.measure.Measurer;
import dev.longtake.coordinator.trace.TraceFiles;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Runs jobs that were started on their gangs. One that lost its workers goes back to the queue, and goes on from its last checkpoint. */
public final class JobRunner {
  private static final Logger log = LoggerFactory.getLogger(JobRunner.class);

  /** Between two attempts of a job whose frames or segments could not be written. */
  private static final Duration STORAGE_PAUSE = Duration.ofSeconds(2);

  private final JobRun.Services services;

  /**
   * @param artifacts keeps prompts, checkpoints and videos
   * @param measurer told how well predictions were met
   * @param traces gets the trace of each job
   * @param encoder turns a segment's last pixels into latents
   * @param nanoTime a monotonic clock
   * @param timer for short retries; the caller's
   */
  public JobRunner(
      JobStore store,
      JobArtifacts artifacts,
      Fleet fleet,
      Measurer measurer,
      TraceFiles traces,
      FrameEncoder encoder,
      RunSettings settings,
      LongSupplier nanoTime,
      ScheduledExecutorService timer,
      JobMeters meters) {
    this.services =
        new JobRun.Services(
            store, artifacts, fleet, measurer, traces, encoder, settings, nanoTime, timer, meters);
  }

  /**
   * Runs a job from its last checkpoint on, blocking; whatever happens, the job ends or waits again, and the gang is closed.
   *
   * @param waitedNanos from submission to the first start
   */
  void run(JobEntry entry, Gang gang, long waitedNanos) {
    try (var _ = LogContext.job(entry.id())) {
      runToItsEnd(entry, gang, waitedNanos);
    }
  }

  private void runToItsEnd(JobEntry entry, Gang gang, long waitedNanos) {
    JobStore store = services.store();
    JobRun run = new JobRun(services, entry, gang, waitedNanos);
    try (gang) {
      Optional<Outcome> outcome = run.run();
      services
          .meters()
          .attemptEnded(
              outcome.isPresent() ? JobMeters.AttemptEnd.DONE : JobMeters.AttemptEnd.TURN_GIVEN);
      if (outcome.isPresent()) {
        if (store.end(entry, run.attempt(), outcome.get())) {
          log.info("Job {} is done", entry.id());
        } else {
          services.artifacts().deleteVideo(entry.id());
        }
      }
    } catch (LongtakeException e) {
      gang.close();
      services.meters().attemptFailed(e.code());
      try (var _ = LogContext.attempt(run.attempt())) {
        retryOrFail(entry, run, e);
      }
    } catch (InterruptedException e) {
      // The store has put the job back, or will do so when the coordinator is started again.
      Thread.currentThread().interrupt();
      services.meters().attemptEnded(JobMeters.AttemptEnd.STOPPED);
    } catch (RuntimeException e) {
      services.meters().attemptFailed(ErrorCode.INTERNAL);
      log.error("Job {} failed by our mistake", entry.id(), e);
      store.end(
          entry,
          run.attempt(),
          new Outcome.Failed(
              ErrorCode.INTERNAL,
              "Internal error (%s); the coordinator's log has the details"
                  .formatted(e.getClass().getSimpleName())));
    } finally {
      store.released(entry, run.attempt());
    }
  }

  private void retryOrFail(JobEntry entry, JobRun run, LongtakeException failure) {
    JobStore store = services.store();
    KeptSteps kept = run.kept();
    boolean isForStorage = failure.code() == ErrorCode.STORAGE_UNAVAILABLE;
    if (isForStorage) {
      log.warn("Job {} waits for storage: {}", entry.id(), failure.getMessage());
      pauseForStorage(entry, run.attempt());
    }
    // A full disk is no fault of the job, however long it lasts.
    int fruitless = kept.hasGrown() ? 0 : entry.fruitlessAttempts() + (isForStorage ? 0 : 1);
    boolean again =
        isWorthAnother(failure.code()) && fruitless < services.settings().maxFruitlessAttempts();
    if (again) {
      if (store.requeue(entry, run.attempt(), failure.getMessage(), kept.steps(), fruitless)) {
        log.warn(
            "Job {} waits again with {} steps kept, {}: {}",
            entry.id(),
            kept.steps(),
            failure.code(),
            failure.getMessage());
      }
    } else if (store.end(entry, run.attempt(), Outcome.Failed.of(failure))) {
      log.warn("Job {} failed, {}: {}", entry.id(), failure.code(), failure.getMessage());
    }
  }

  /** Else a job would use up its workers' time as fast as the disk refuses its frames; ends early when the job does. */
  private void pauseForStorage(JobEntry entry, long attempt) {
    CountDownLatch stopped = new CountDownLatch(1);
    try (JobEntry.Subscription _ = entry.whenStopped(stopped::countDown)) {
      if (entry.isRunning(attempt)) {
        var _ = stopped.await(STORAGE_PAUSE.toMillis(), TimeUnit.MILLISECONDS);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Whether it was a process or a link that failed, not the job. */
  private static boolean isWorthAnother(ErrorCode code) {
    return switch (code) {
      case WORKER_LOST,
          PEER_LOST,
          DEVICE_LOST,
          PROCESS_DIED,
          STALE_ATTEMPT,
          CHECKSUM_MISMATCH,
          TIMED_OUT,
          UNREACHABLE,
          NO_WORKERS,
          WORKER_BUSY,
          WRONG_STATE,
          NOT_LEADER,
          // The worker was started again, with another token.
          UNAUTHENTICATED,
          STORAGE_UNAVAILABLE ->
          true;
      case INVALID_REQUEST,
          INVALID_MODEL,
          INVALID_CHECKPOINT,
          NO_SUCH_WORKER,
          NO_SUCH_JOB,
          MODEL_MISMATCH,
          BUILD_MISMATCH,
          WORKER_ID_IN_USE,
          PERMISSION_DENIED,
          QUOTA_EXCEEDED,
          PORT_IN_USE,
          CANCELED,
          QUEUE_FULL,
          OUT_OF_MEMORY,
          INTERNAL ->
          false;
    };
  }
}
