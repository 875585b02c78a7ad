package dev.longtake.worker.service;

import dev.longtake.v1.ClusterGrpc;
import dev.longtake.v1.JoinReply;
import dev.longtake.v1.WorkerReport;
import io.grpc.Channel;
import io.grpc.ManagedChannel;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** One Join call: from the first report to its end. Driven by the membership's thread. */
final class JoinStream implements ClientResponseObserver<WorkerReport, JoinReply> {
  private final Runnable toldToLeave;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();
  // All guarded by the lock.
  private @Nullable ClientCallStreamObserver<WorkerReport> call;
  private @Nullable Duration heartbeatInterval;
  private boolean ended;
  private boolean leaving;
  private boolean isReportDue;
  private @Nullable Throwable error;

  /** @param toldToLeave run when the coordinator says that the worker shall leave */
  JoinStream(Runnable toldToLeave) {
    this.toldToLeave = toldToLeave;
  }

  void start(Channel channel, WorkerReport first) {
    ClusterGrpc.newStub(channel).join(this);
    report(first);
  }

  /** Waits for the coordinator's welcome; the interval of heartbeats, or null when there was none in time. */
  @Nullable Duration awaitWelcome(long timeoutNanos) throws InterruptedException {
    lock.lock();
    try {
      long leftNanos = timeoutNanos;
      while (heartbeatInterval == null && !ended && !leaving && leftNanos > 0) {
        leftNanos = changed.awaitNanos(leftNanos);
      }
      return heartbeatInterval;
    } finally {
      lock.unlock();
    }
  }

  /** Reports once per interval until the stream ends or {@link #leave} is called. */
  void heartbeatUntilEnd(Duration interval, Supplier<WorkerReport> reports)
      throws InterruptedException {
    while (true) {
      lock.lock();
      try {
        long leftNanos = interval.toNanos();
        while (!ended && !leaving && !isReportDue && leftNanos > 0) {
          leftNanos = changed.awaitNanos(leftNanos);
        }
        if (ended || leaving) {
          return;
        }
        isReportDue = false;
      } finally {
        lock.unlock();
      }
      report(reports.get());
    }
  }

  /** From any thread: the next report need not wait for its time. */
  void reportSoon() {
    lock.lock();
    try {
      isReportDue = true;
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /** Why the stream ended: null when it did not, or in order. */
  @Nullable Throwable error() {
    lock.lock();
    try {
      return error;
    } finally {
      lock.unlock();
    }
  }

  /** From any thread: leaves the cluster in order. */
  void leave() {
    lock.lock();
    try {
      leaving = true;
      if (call != null && !ended) {
        call.onCompleted();
        ended = true;
      }
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /** Ends the call and its channel, bounded. */
  void close(ManagedChannel channel) throws InterruptedException {
    leave();
    channel.shutdown();
    if (!channel.awaitTermination(1, TimeUnit.SECONDS)) {
      channel.shutdownNow();
    }
  }

  private void report(WorkerReport report) {
    lock.lock();
    try {
      if (call != null && !ended) {
        call.onNext(report);
      }
    } finally {
      lock.unlock();
    }
  }

  @Override
  public void beforeStart(ClientCallStreamObserver<WorkerReport> requests) {
    lock.lock();
    try {
      call = requests;
    } finally {
      lock.unlock();
    }
  }

  @Override
  public void onNext(JoinReply reply) {
    lock.lock();
    try {
      if (heartbeatInterval == null) {
        var interval = reply.getHeartbeatInterval();
        heartbeatInterval = Duration.ofSeconds(interval.getSeconds(), interval.getNanos());
        changed.signalAll();
      }
    } finally {
      lock.unlock();
    }
    if (reply.getLeave()) {
      toldToLeave.run();
    }
  }

  @Override
  public void onError(Throwable failure) {
    end(failure);
  }

  @Override
  public void onCompleted() {
    end(null);
  }

  private void end(@Nullable Throwable failure) {
    lock.lock();
    try {
      ended = true;
      error = failure;
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }
}
