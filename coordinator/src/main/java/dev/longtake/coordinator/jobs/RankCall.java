package dev.longtake.coordinator.jobs;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.rpc.GrpcErrors;
import dev.longtake.coordinator.fleet.Member;
import dev.longtake.v1.WorkEvent;
import dev.longtake.v1.WorkFinished;
import dev.longtake.v1.WorkOrder;
import dev.longtake.v1.WorkerGrpc;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import java.util.Optional;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * One rank's {@code Worker.Run} call. It ends exactly once, with what the rank reported or with a failure, and tells
 * {@code onEnd}. A worker that is still leaving its previous order (WORKER_BUSY) is asked again until its peers would
 * have given up.
 *
 * <p>Thread-safe. Events are passed on by gRPC's thread, one at a time; that is the back-pressure to the worker.
 */
final class RankCall {
  private static final long BUSY_RETRY_MILLIS = 50;

  private final Member member;
  private final WorkOrder order;
  private final Consumer<WorkEvent> onEvent;
  private final Consumer<RankCall> onEnd;
  private final ScheduledExecutorService timer;
  private final LongSupplier nanoTime;
  private final long busyUntilNanos;

  // Guarded by this.
  private @Nullable ClientCallStreamObserver<WorkOrder> call;
  private @Nullable WorkFinished finished;
  private @Nullable LongtakeException failure;
  private boolean connectionBroke;
  private boolean canceled;
  private boolean ended;

  /**
   * @param onEvent every event but the last; what it throws ends the call
   * @param onEnd told once, by any thread
   */
  RankCall(
      Member member,
      WorkOrder order,
      Consumer<WorkEvent> onEvent,
      Consumer<RankCall> onEnd,
      ScheduledExecutorService timer,
      LongSupplier nanoTime) {
    this.member = member;
    this.order = order;
    this.onEvent = onEvent;
    this.onEnd = onEnd;
    this.timer = timer;
    this.nanoTime = nanoTime;
    this.busyUntilNanos =
        nanoTime.getAsLong()
            + TimeUnit.SECONDS.toNanos(order.getExchangeTimeout().getSeconds())
            + order.getExchangeTimeout().getNanos();
  }

  void start() {
    boolean stopped;
    synchronized (this) {
      stopped = canceled;
    }
    if (stopped) {
      end(canceledFailure());
      return;
    }
    WorkerGrpc.newStub(member.channel()).run(order, new Observer());
    synchronized (this) {
      stopped = canceled;
    }
    if (stopped) {
      // Canceled between the check above and the start, when there was no call to cancel yet.
      cancel();
    }
  }

  /** Stops the call; it ends as CANCELED unless it has ended. */
  void cancel() {
    ClientCallStreamObserver<WorkOrder> current;
    synchronized (this) {
      canceled = true;
      current = call;
    }
    if (current != null) {
      current.cancel("The job has ended", null);
    }
  }

  Member member() {
    return member;
  }

  int rank() {
    return order.getRank();
  }

  /** Why the call failed; empty when it succeeded or has not ended. */
  synchronized Optional<LongtakeException> failure() {
    return Optional.ofNullable(failure);
  }

  /** Whether the failure was the connection's, not one that the worker reported. */
  synchronized boolean connectionBroke() {
    return connectionBroke;
  }

  /** The rank's report; empty unless the call succeeded. */
  synchronized Optional<WorkFinished> finished() {
    return Optional.ofNullable(finished);
  }

  private void onMessage(WorkEvent event) {
    synchronized (this) {
      if (ended || canceled) {
        return;
      }
      if (event.hasFinished()) {
        finished = event.getFinished();
        return;
      }
    }
    try {
      onEvent.accept(event);
    } catch (LongtakeException e) {
      end(new LongtakeException(e.code(), "From %s: %s".formatted(member, e.getMessage()), e));
      cancel();
    } catch (RuntimeException e) {
      end(
          new LongtakeException(
              ErrorCode.INTERNAL, "Handling an event of %s failed: %s".formatted(member, e), e));
      cancel();
    }
  }

  private void onFailure(Throwable status) {
    LongtakeException meant = GrpcErrors.fromStatus(status, member.toString());
    boolean byUs;
    synchronized (this) {
      byUs = canceled;
    }
    if (byUs) {
      end(canceledFailure());
      return;
    }
    switch (meant.code()) {
      case WORKER_BUSY -> retryBusy(meant);
      // Without our error details it was the connection that ended, or the process behind it.
      // A process with another token is not the one that joined.
      case UNREACHABLE, CANCELED, UNAUTHENTICATED -> {
        synchronized (this) {
          connectionBroke = true;
        }
        end(lost(meant));
      }
      case INVALID_REQUEST,
          INVALID_MODEL,
          INVALID_CHECKPOINT,
          NO_SUCH_WORKER,
          NO_SUCH_JOB,
          STORAGE_UNAVAILABLE,
          WRONG_STATE,
          MODEL_MISMATCH,
          BUILD_MISMATCH,
          WORKER_ID_IN_USE,
          PORT_IN_USE,
          PERMISSION_DENIED,
          QUEUE_FULL,
          QUOTA_EXCEEDED,
          NOT_LEADER,
          NO_WORKERS,
          OUT_OF_MEMORY,
          WORKER_LOST,
          DEVICE_LOST,
          PROCESS_DIED,
          PEER_LOST,
          STALE_ATTEMPT,
          CHECKSUM_MISMATCH,
          TIMED_OUT,
          INTERNAL ->
          end(
              new LongtakeException(
                  meant.code(),
                  "Worker %s (rank %d) failed: %s"
                      .formatted(member.id(), rank(), meant.getMessage()),
                  meant));
    }
  }

  private LongtakeException lost(LongtakeException meant) {
    return new LongtakeException(
        ErrorCode.WORKER_LOST,
        "Expected worker %s at %s (rank %d) to finish its part, but it was lost: %s"
            .formatted(
                member.id(),
                member.address(),
                rank(),
                member.lossReason().orElse("its connection broke, " + meant.getMessage())),
        meant);
  }

  private void retryBusy(LongtakeException busy) {
    if (nanoTime.getAsLong() - busyUntilNanos >= 0) {
      end(busy);
      return;
    }
    try {
      var _ = timer.schedule(this::start, BUSY_RETRY_MILLIS, TimeUnit.MILLISECONDS);
    } catch (RejectedExecutionException e) {
      end(busy);
    }
  }

  private void onSuccess() {
    boolean reported;
    synchronized (this) {
      reported = finished != null;
    }
    end(
        reported
            ? null
            : new LongtakeException(
                ErrorCode.INTERNAL,
                "Expected worker %s (rank %d) to report that it finished, but its call just ended"
                    .formatted(member.id(), rank())));
  }

  private LongtakeException canceledFailure() {
    return new LongtakeException(
        ErrorCode.CANCELED, "Worker %s (rank %d) was told to stop".formatted(member.id(), rank()));
  }

  private void end(@Nullable LongtakeException why) {
    synchronized (this) {
      if (ended) {
        return;
      }
      ended = true;
      failure = why;
      if (why != null) {
        finished = null;
      }
    }
    onEnd.accept(this);
  }

  private final class Observer implements ClientResponseObserver<WorkOrder, WorkEvent> {
    @Override
    public void beforeStart(ClientCallStreamObserver<WorkOrder> requests) {
      synchronized (RankCall.this) {
        call = requests;
      }
    }

    @Override
    public void onNext(WorkEvent event) {
      onMessage(event);
    }

    @Override
    public void onError(Throwable status) {
      onFailure(status);
    }

    @Override
    public void onCompleted() {
      onSuccess();
    }
  }
}
