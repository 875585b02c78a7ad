package dev.longtake.client;

import dev.longtake.v1.Job;
import dev.longtake.v1.JobEvent;
import dev.longtake.v1.VideoPreview;

/**
 * Told what becomes of a job, by {@link AsyncLongtakeClient#follow}: in order, one call at a time. Each method does nothing unless it is
 * overridden.
 */
public interface JobListener {
  /** It waits for workers; its place is told, and when it may start. */
  default void queued(JobEvent.Queued queued) {}

  /** It has workers, and a plan. */
  default void planned(JobEvent.Planned planned) {}

  /** A denoising step is done; it tells the time to the end. */
  default void step(JobEvent.StepDone step) {}

  /** What the video becomes, where the request asks for previews; a slow listener gets the newest only. */
  default void preview(VideoPreview preview) {}

  /** Frames are decoded. */
  default void frames(JobEvent.FramesDecoded frames) {}

  /** A segment is done, and can be streamed. */
  default void segment(JobEvent.SegmentDone segment) {}

  /** Its workers were lost, and it waits for others; what is kept, it says. */
  default void requeued(JobEvent.Requeued requeued) {}

  /** It is done, failed or cancelled. The last call. */
  default void ended(Job job) {}

  /**
   * Every event, before the method of its kind is called; its sequence is what {@link LongtakeClient#events} goes on from, for example in
   * another process.
   */
  default void event(JobEvent event) {}
}
