package dev.longtake.coordinator.jobs;

import dev.longtake.v1.Beginning;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Handover;
import dev.longtake.v1.LongVideo;

/**
 * How a video is divided into segments, which are counted from 1: the loop of Open-Sora 1.2 (scripts/inference.py). A segment is a clip
 * whose first frames are given, except where nothing is before it, and whose other frames are shown.
 *
 * @param request with every default filled in
 * @param beginning what the first segment is given; the default instance: nothing
 */
public record Segments(GenerationRequest request, Beginning beginning) {
  public int count() {
    return Math.max(1, request.getLongVideo().getSegments());
  }

  /** Frames that a segment is given of the one before; 0 for a clip of one frame, which nothing follows. */
  public int overlap() {
    LongVideo video = request.getLongVideo();
    return video.hasOverlap() ? video.getOverlap() : request.getFrames() / 2;
  }

  public boolean arePixelsHandedOver() {
    return request.getLongVideo().getHandover() == Handover.HANDOVER_PIXELS;
  }

  /** Frames that the segment is given. */
  int given(int segment) {
    return segment == 1 ? beginning.getGivenFrames() : overlap();
  }

  /** The segment's first frame that is shown. */
  int firstShown(int segment) {
    return segment == 1 && beginning.getIsShown() ? 0 : given(segment);
  }

  /** Frames of the segment that are shown. */
  int shown(int segment) {
    return request.getFrames() - firstShown(segment);
  }

  /** Frames of the job that are shown before the segment. */
  long framesBefore(int segment) {
    return segment == 1 ? 0 : shown(1) + (segment - 2L) * shown(2);
  }

  /** Place in the whole video of the first frame that the segment shows. */
  long firstFrame(int segment) {
    return beginning.getFramesBefore() + framesBefore(segment);
  }

  /** Each segment has noise of its own; unsigned. */
  long seed(int segment) {
    return request.getSeed() + beginning.getSegmentsBefore() + segment - 1;
  }

  /** Index of the segment's prompt in {@link LongVideo}; -1: that of the request. */
  int prompt(int segment) {
    int index = -1;
    while (index + 1 < request.getLongVideo().getPromptsCount()
        && request.getLongVideo().getPrompts(index + 1).getFromSegment() <= segment) {
      index++;
    }
    return index;
  }
}
