package dev.longtake.worker.service;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The end of a worker's service. Once it has begun to drain, the worker tells its coordinator and takes no more orders; those that run go
 * on. It has ended when the coordinator says so, which it does when the job has no more need of the worker, or a moment after the last
 * order when the coordinator says nothing, or when the time for it is over; an idle worker ends at once. It begins by itself when the
 * device is lost, and ends with that error then. Thread-safe; owns nothing.
 */
public final class Drain {
  private static final Logger LOG = LoggerFactory.getLogger(Drain.class);

  /** How long an idle worker waits to be told to leave: its peers may still read what it sent last. */
  private static final Duration LEAVE_WAIT = Duration.ofSeconds(5);

  private final WorkerServer worker;
  private final @Nullable ClusterMembership membership;
  private final Duration timeout;
  private final CompletableFuture<@Nullable Void> end = new CompletableFuture<>();
  private volatile @Nullable LongtakeException deviceLost;

  /**
   * The end of a worker that serves.
   *
   * @param membership null for a worker that has joined no cluster
   * @param timeout from the beginning of a drain; orders that run are cancelled then
   */
  public Drain(WorkerServer worker, @Nullable ClusterMembership membership, Duration timeout) {
    this.worker = worker;
    this.membership = membership;
    this.timeout = timeout;
    if (membership != null) {
      var _ = membership.refused().thenAccept(end::completeExceptionally);
      var _ = membership.toldToLeave().thenAccept(end::complete);
    }
    var _ = worker.deviceLost().thenAccept(this::onDeviceLost);
  }

  /** What runs fails by itself; the drain lets that be heard before the process ends. */
  private void onDeviceLost(LongtakeException failure) {
    deviceLost = failure;
    begin();
  }

  /** Begins to drain; does not block. */
  public void begin() {
    CompletableFuture<@Nullable Void> idle = worker.drain();
    if (membership != null) {
      membership.reportSoon();
    }
    if (idle.isDone() || timeout.isZero()) {
      end.complete(null);
      return;
    }
    LOG.info("Leaving after the orders that run, within {} s", timeout.toSeconds());
    var _ = end.completeOnTimeout(null, timeout.toMillis(), TimeUnit.MILLISECONDS);
    var _ = idle.thenAccept(_ -> lastOrderEnded());
  }

  private void lastOrderEnded() {
    if (membership == null) {
      end.complete(null);
    } else {
      var _ = end.completeOnTimeout(null, LEAVE_WAIT.toMillis(), TimeUnit.MILLISECONDS);
    }
  }

  /**
   * Waits for the end: the life of the process.
   *
   * @throws LongtakeException with which the coordinator has refused the worker on its way back, or DEVICE_LOST
   */
  public void await() {
    try {
      end.join();
      LongtakeException lost = deviceLost;
      if (lost != null) {
        throw new LongtakeException(lost.code(), lost.getMessage(), lost);
      }
    } catch (CompletionException e) {
      if (e.getCause() instanceof LongtakeException refusal) {
        throw new LongtakeException(refusal.code(), refusal.getMessage(), refusal);
      }
      throw new LongtakeException(ErrorCode.INTERNAL, "Serving failed: " + e.getCause(), e);
    }
  }
}
