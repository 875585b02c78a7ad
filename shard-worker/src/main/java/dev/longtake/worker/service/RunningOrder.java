package dev.longtake.worker.service;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.WorkEvent;
import dev.longtake.v1.WorkOrder;
import dev.longtake.worker.exchange.GrpcGang;
import io.grpc.stub.ServerCallStreamObserver;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * One Run call from its start to its end. Cancelling it wakes whatever the engine waits for: the exchange, or the
 * coordinator reading an event.
 */
final class RunningOrder {
  private final WorkOrder order;
  private final ServerCallStreamObserver<WorkEvent> call;
  private final long eventTimeoutNanos;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();
  // Both guarded by the lock.
  private @Nullable LongtakeException canceled;
  private @Nullable GrpcGang exchange;

  RunningOrder(WorkOrder order, ServerCallStreamObserver<WorkEvent> call, Duration eventTimeout) {
    this.order = order;
    this.call = call;
    this.eventTimeoutNanos = eventTimeout.toNanos();
  }

  WorkOrder order() {
    return order;
  }

  @Override
  public String toString() {
    return "job %s, attempt %d".formatted(order.getJobId(), order.getAttempt());
  }

  /** Lets cancelling reach the exchange, also when it happened before. */
  void attach(GrpcGang opened) {
    LongtakeException reason;
    lock.lock();
    try {
      exchange = opened;
      reason = canceled;
    } finally {
      lock.unlock();
    }
    if (reason != null) {
      opened.abort(reason);
    }
  }

  /** From any thread; does not block. */
  void cancel(String why) {
    var reason = new LongtakeException(ErrorCode.CANCELED, "%s: %s".formatted(this, why));
    GrpcGang opened;
    lock.lock();
    try {
      if (canceled != null) {
        return;
      }
      canceled = reason;
      opened = exchange;
      changed.signalAll();
    } finally {
      lock.unlock();
    }
    if (opened != null) {
      opened.abort(reason);
    }
  }

  boolean isCanceled() {
    lock.lock();
    try {
      return canceled != null;
    } finally {
      lock.unlock();
    }
  }

  /** gRPC can take another event. */
  void ready() {
    lock.lock();
    try {
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /** On a thread of the engine: sends an event once the coordinator has read enough of those before. */
  void emit(WorkEvent event) {
    lock.lock();
    try {
      long leftNanos = eventTimeoutNanos;
      while (canceled == null && !call.isReady()) {
        if (leftNanos <= 0) {
          throw new LongtakeException(
              ErrorCode.TIMED_OUT,
              "Expected the caller to read the events of %s, but it read nothing for %s s"
                  .formatted(this, TimeUnit.NANOSECONDS.toMillis(eventTimeoutNanos) / 1000.0));
        }
        leftNanos = changed.awaitNanos(leftNanos);
      }
      if (canceled != null) {
        throw new LongtakeException(ErrorCode.CANCELED, canceled.getMessage(), canceled);
      }
      // Within the lock, since gRPC takes events of one thread at a time.
      call.onNext(event);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LongtakeException(ErrorCode.CANCELED, this + ": interrupted", e);
    } finally {
      lock.unlock();
    }
  }
}
