package dev.longtake.client;

import dev.longtake.v1.Job;
import dev.longtake.v1.JobEvent;
import dev.longtake.v1.VideoPreview;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.ReentrantLock;

/** One listener's view of a job: its events and its previews, which come by two streams, as calls one after the other. */
final class Following {
  private final LongtakeClient client;
  private final AsyncLongtakeClient async;
  private final String jobId;
  private final JobListener listener;

  /** Held while the listener is called. */
  private final ReentrantLock turn = new ReentrantLock();

  private boolean isEnded; // guarded by the turn

  Following(LongtakeClient client, AsyncLongtakeClient async, String jobId, JobListener listener) {
    this.client = client;
    this.async = async;
    this.jobId = jobId;
    this.listener = listener;
  }

  /** Waits for the job's end. */
  Job run() {
    CompletableFuture<Void> previews =
        client.get(jobId).getRequest().getPreviewEvery() > 0
            ? async.start(this::previews)
            : CompletableFuture.completedFuture(null);
    try {
      return client.watch(
          jobId,
          event -> {
            if (previews.isCompletedExceptionally()) {
              previews.join(); // The listener failed there.
            }
            tell(event);
          });
    } finally {
      previews.cancel(false);
    }
  }

  private Void previews() {
    client.previews(jobId, this::tell);
    return null;
  }

  private void tell(VideoPreview preview) {
    turn.lock();
    try {
      if (!isEnded) {
        listener.preview(preview);
      }
    } finally {
      turn.unlock();
    }
  }

  private void tell(JobEvent event) {
    turn.lock();
    try {
      isEnded = event.hasEnded();
      listener.event(event);
      switch (event.getEventCase()) {
        case QUEUED -> listener.queued(event.getQueued());
        case PLANNED -> listener.planned(event.getPlanned());
        case STEP_DONE -> listener.step(event.getStepDone());
        case FRAMES_DECODED -> listener.frames(event.getFramesDecoded());
        case SEGMENT_DONE -> listener.segment(event.getSegmentDone());
        case REQUEUED -> listener.requeued(event.getRequeued());
        case ENDED -> listener.ended(event.getEnded());
        case EVENT_NOT_SET -> {} // Of a newer coordinator.
      }
    } finally {
      turn.unlock();
    }
  }
}
