package dev.longtake.coordinator.jobs;

import dev.longtake.common.process.LogContext;
import dev.longtake.coordinator.artifacts.JobArtifacts;
import dev.longtake.v1.SamplerState;
import dev.longtake.v1.StatePart;
import java.io.IOException;
import java.time.Duration;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Keeps the states that an attempt's workers send, by a thread of its own. When the disk is slower than the workers, states are passed
 * over: the newest one counts. A state that can't be written is only logged: the job goes on, and would lose more when it is interrupted.
 * Parts are taken by any thread.
 */
final class Checkpointer implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Checkpointer.class);

  /** For the write under way. */
  private static final Duration STOP_TIMEOUT = Duration.ofSeconds(10);

  private final JobArtifacts artifacts;
  private final String jobId;
  private final int segment;
  private final StateCollector collector;
  private final JobMeters meters;
  private final Thread thread;

  // Guarded by this.
  private @Nullable SamplerState next;
  private int written;
  private boolean closing;

  private Checkpointer(
      JobArtifacts artifacts,
      String jobId,
      int segment,
      StateCollector collector,
      int kept,
      JobMeters meters) {
    this.meters = meters;
    this.artifacts = artifacts;
    this.jobId = jobId;
    this.segment = segment;
    this.collector = collector;
    this.written = kept;
    this.thread = Thread.ofVirtual().name("checkpoints-" + jobId).unstarted(this::write);
  }

  /**
   * @param segment of the job that is made
   * @param collector of the segment's latents
   * @param kept steps of the state that is there
   */
  static Checkpointer start(
      JobArtifacts artifacts,
      String jobId,
      int segment,
      StateCollector collector,
      int kept,
      JobMeters meters) {
    Checkpointer made = new Checkpointer(artifacts, jobId, segment, collector, kept, meters);
    made.thread.start();
    return made;
  }

  void add(StatePart part) {
    Optional<SamplerState> whole = collector.add(part);
    if (whole.isPresent()) {
      synchronized (this) {
        next = whole.get();
        notifyAll();
      }
    }
  }

  /** Steps of the newest state that is on disk. */
  synchronized int stepsKept() {
    return written;
  }

  private void write() {
    try (var _ = LogContext.job(jobId)) {
      Optional<SamplerState> state = take();
      while (state.isPresent()) {
        write(state.get());
        state = take();
      }
    } catch (InterruptedException e) {
      log.warn("Job {}: a checkpoint was given up", jobId);
    }
  }

  /** Empty at the end. */
  private synchronized Optional<SamplerState> take() throws InterruptedException {
    while (next == null && !closing) {
      wait();
    }
    Optional<SamplerState> taken = Optional.ofNullable(next);
    next = null;
    return taken;
  }

  private void write(SamplerState state) {
    long startNanos = System.nanoTime();
    try {
      artifacts.writeState(jobId, segment, state);
      meters.checkpointWritten(state.getSerializedSize(), System.nanoTime() - startNanos);
      synchronized (this) {
        written = state.getStepsDone();
      }
    } catch (IOException e) {
      meters.checkpointFailed();
      log.warn(
          "Job {} goes on without a checkpoint of step {}, which can't be written: {}",
          jobId,
          state.getStepsDone(),
          e.toString());
    }
  }

  /** Writes what has come, in bounded time. */
  @Override
  public void close() {
    synchronized (this) {
      closing = true;
      notifyAll();
    }
    boolean interrupted = false;
    try {
      if (!thread.join(STOP_TIMEOUT)) {
        thread.interrupt();
      }
    } catch (InterruptedException e) {
      interrupted = true;
      thread.interrupt();
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
