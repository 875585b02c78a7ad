package dev.longtake.coordinator.api;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.coordinator.jobs.JobEntry;
import dev.longtake.v1.JobEvent;
import io.grpc.stub.ServerCallStreamObserver;
import java.util.Optional;
import java.util.concurrent.Executor;

/**
 * One watcher: a cursor into the job's events that moves while the transport takes more. A watcher that doesn't read
 * keeps its cursor and nothing else; whoever causes an event never waits for it.
 */
final class EventStream {
  private final JobEntry job;
  private final ServerCallStreamObserver<JobEvent> out;
  private final SerialRuns moves;

  // Only touched by the one who moves the cursor.
  private long sequence;
  private boolean completed;

  private EventStream(
      JobEntry job, long afterSequence, ServerCallStreamObserver<JobEvent> out, Executor executor) {
    this.job = job;
    this.sequence = afterSequence;
    this.out = out;
    this.moves = new SerialRuns(this::send, executor);
  }

  /**
   * Sends the events after {@code afterSequence}, those to come included, until the terminal one.
   *
   * @param executor moves the cursor when an event has happened
   */
  static void start(
      JobEntry job, long afterSequence, ServerCallStreamObserver<JobEvent> out, Executor executor) {
    EventStream stream = new EventStream(job, afterSequence, out, executor);
    JobEntry.Subscription subscription = job.subscribe(stream.moves::wish);
    out.setOnCancelHandler(subscription::close);
    out.setOnCloseHandler(subscription::close);
    out.setOnReadyHandler(stream.moves::run);
    stream.moves.run();
  }

  private void send() {
    while (!completed && !out.isCancelled() && out.isReady()) {
      Optional<JobEvent> next = job.eventAfter(sequence);
      if (next.isEmpty()) {
        // A cursor beyond the last event of a job that has ended waits for nothing.
        if (job.isComplete() && job.eventAfter(sequence).isEmpty()) {
          complete();
        } else if (job.isClosed() && job.eventAfter(sequence).isEmpty()) {
          completed = true;
          out.onError(stopping());
        }
        return;
      }
      sequence = next.get().getSequence();
      out.onNext(next.get());
      if (next.get().hasEnded()) {
        complete();
      }
    }
  }

  static LongtakeException stopping() {
    return new LongtakeException(
        ErrorCode.UNREACHABLE,
        "The coordinator is shutting down; call again when it is back, and go on after what came");
  }

  private void complete() {
    completed = true;
    out.onCompleted();
  }
}
