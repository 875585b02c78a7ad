package dev.longtake.worker.service;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.time.Duration;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/** Calls with one answer each that take long: one at a time on a thread of their own, a bounded number waiting. */
final class QueuedCalls {
  private final String call;
  private final String waiting;
  private final int capacity;
  private final ThreadPoolExecutor thread;

  /**
   * Calls of one kind.
   *
   * @param call for logs
   * @param waiting what waits, for people: {@code "prompts to wait for the text encoder"}
   * @param threadName at most 15 characters
   */
  QueuedCalls(String call, String waiting, int capacity, String threadName) {
    this.call = call;
    this.waiting = waiting;
    this.capacity = capacity;
    this.thread =
        new ThreadPoolExecutor(
            1,
            1,
            0,
            TimeUnit.SECONDS,
            new ArrayBlockingQueue<>(capacity),
            Thread.ofPlatform().name(threadName, 0).daemon().factory());
  }

  /** Answers with what the work gives or throws, QUEUE_FULL when too many wait; does not block. */
  <T> void answer(StreamObserver<T> response, Supplier<T> work) {
    try {
      thread.execute(() -> run(response, work));
    } catch (RejectedExecutionException e) {
      fail(response, thread.isShutdown() ? WorkerService.stopping() : full());
    }
  }

  private LongtakeException full() {
    return new LongtakeException(
        ErrorCode.QUEUE_FULL,
        "Expected at most %d %s, but one more came; try again later".formatted(capacity, waiting));
  }

  /** Answers with a failure. */
  void fail(StreamObserver<?> response, Throwable failure) {
    response.onError(CallFailures.status(call, failure));
  }

  private <T> void run(StreamObserver<T> response, Supplier<T> work) {
    T answer;
    try {
      answer = work.get();
    } catch (RuntimeException | Error e) {
      fail(response, e);
      return;
    }
    // A caller that has gone meanwhile makes these throw; there is nobody left to tell.
    if (!((ServerCallStreamObserver<T>) response).isCancelled()) {
      response.onNext(answer);
      response.onCompleted();
    }
  }

  /** Takes no more calls. */
  void shutdown() {
    thread.shutdown();
  }

  /** Waits for those that it has taken, bounded; whether they have ended. */
  boolean awaitEnd(Duration wait) throws InterruptedException {
    return thread.awaitTermination(wait.toNanos(), TimeUnit.NANOSECONDS);
  }
}
