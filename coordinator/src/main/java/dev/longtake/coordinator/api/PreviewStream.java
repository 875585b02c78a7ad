package dev.longtake.coordinator.api;

import dev.longtake.coordinator.jobs.JobEntry;
import dev.longtake.v1.VideoPreview;
import io.grpc.stub.ServerCallStreamObserver;
import java.util.concurrent.Executor;
import org.jspecify.annotations.Nullable;

/** One client that looks at a job's previews: it gets the newest whenever the transport takes one. */
final class PreviewStream {
  private final JobEntry job;
  private final ServerCallStreamObserver<VideoPreview> out;
  private final SerialRuns sends;

  // Only touched by the one who sends.
  private @Nullable VideoPreview last;
  private boolean completed;

  private PreviewStream(
      JobEntry job, ServerCallStreamObserver<VideoPreview> out, Executor executor) {
    this.job = job;
    this.out = out;
    this.sends = new SerialRuns(this::send, executor);
  }

  /**
   * Sends the newest preview, then those to come, until the job has ended.
   *
   * @param executor sends when there is a new one
   */
  static void start(JobEntry job, ServerCallStreamObserver<VideoPreview> out, Executor executor) {
    PreviewStream stream = new PreviewStream(job, out, executor);
    JobEntry.Subscription subscription = job.subscribe(stream.sends::wish);
    out.setOnCancelHandler(subscription::close);
    out.setOnCloseHandler(subscription::close);
    out.setOnReadyHandler(stream.sends::run);
    stream.sends.run();
  }

  private void send() {
    if (completed || out.isCancelled() || !out.isReady()) {
      return;
    }
    boolean isLast = job.isComplete();
    VideoPreview newest = job.preview().orElse(null);
    if (newest != null && !newest.equals(last)) {
      last = newest;
      out.onNext(newest);
    }
    if (isLast) {
      completed = true;
      out.onCompleted();
    } else if (job.isClosed()) {
      completed = true;
      out.onError(EventStream.stopping());
    }
  }
}
