package dev.longtake.limits;

import dev.longtake.v1.Handover;
import dev.longtake.v1.LongVideo;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.SegmentPrompt;

/** The limits of a video that is divided into segments. */
public final class LongVideoLimits {
  /** Most segments of one job. */
  public static final int MAX_SEGMENTS = 100_000;

  /** Most prompts beside the request's: each is encoded before the job is accepted. */
  public static final int MAX_PROMPTS = 100;

  private LongVideoLimits() {}

  /** Whether the model's sampler can begin with given frames, as later segments and continued videos do. */
  public static boolean canBeginWithFrames(ModelCard card) {
    return switch (card.getSampler()) {
      case SAMPLER_UNSPECIFIED,
          SAMPLER_RECTIFIED_FLOW,
          SAMPLER_ANCESTRAL,
          SAMPLER_ANCESTRAL_FLOAT32 ->
          true;
      case SAMPLER_GUIDED_FLOW, SAMPLER_DDIM, SAMPLER_DPM_SOLVER, UNRECOGNIZED -> false;
    };
  }

  /** Frames that a segment begins with, where nothing else is asked for. */
  public static int defaultOverlap(int frames) {
    return frames / 2;
  }

  /**
   * Checks all but the first segment's prompt.
   *
   * @param frames of a clip
   * @throws InvalidFieldException for the first field that is outside its limits
   */
  static void check(LongVideo video, int frames, ModelCard card) {
    if (!canBeginWithFrames(card)) {
      throw new InvalidFieldException(
          "long_video",
          "Expected a model whose sampler can keep given frames (rectified flow, ancestral), but %s has %s; leave long_video out"
              .formatted(card.getName(), card.getSampler()));
    }
    if (video.getSegments() < 1 || video.getSegments() > MAX_SEGMENTS) {
      throw new InvalidFieldException(
          "long_video.segments",
          "Expected 1 to %d segments, but got %d".formatted(MAX_SEGMENTS, video.getSegments()));
    }
    if (frames < 2) {
      throw new InvalidFieldException(
          "frames",
          "Expected at least 2 frames in each segment of a long video, but got " + frames);
    }
    if (video.getHandover() == Handover.UNRECOGNIZED) {
      throw new InvalidFieldException(
          "long_video.handover",
          "Expected HANDOVER_LATENTS or HANDOVER_PIXELS, but got the unknown value %d"
              .formatted(video.getHandoverValue()));
    }
    checkOverlap(video, frames);
    // NaN fails every comparison, so it is refused as well.
    if (!(video.getEditRatio() >= 0 && video.getEditRatio() < 1)) {
      throw new InvalidFieldException(
          "long_video.edit_ratio",
          "Expected an edit_ratio of 0 (keeps the frames) up to, but not including, 1, but got %s"
              .formatted(video.getEditRatio()));
    }
    checkPrompts(video, card);
  }

  private static void checkOverlap(LongVideo video, int frames) {
    boolean isOfPixels = video.getHandover() == Handover.HANDOVER_PIXELS;
    int overlap = video.hasOverlap() ? video.getOverlap() : defaultOverlap(frames);
    int most = isOfPixels ? frames / 2 : frames - 1;
    if (overlap < 1 || overlap > most) {
      throw new InvalidFieldException(
          "long_video.overlap",
          "Expected an overlap of 1 to %d frames, since segments have %d%s, but got %d"
              .formatted(most, frames, isOfPixels ? " and hand over their pixels" : "", overlap));
    }
  }

  private static void checkPrompts(LongVideo video, ModelCard card) {
    if (video.getPromptsCount() > MAX_PROMPTS) {
      throw new InvalidFieldException(
          "long_video.prompts",
          "Expected at most %d prompts, but got %d"
              .formatted(MAX_PROMPTS, video.getPromptsCount()));
    }
    int before = 1;
    for (SegmentPrompt prompt : video.getPromptsList()) {
      if (prompt.getFromSegment() <= before || prompt.getFromSegment() > video.getSegments()) {
        throw new InvalidFieldException(
            "long_video.prompts.from_segment",
            "Expected a prompt from segment %d to %d on, in order, but got %d"
                .formatted(before + 1, video.getSegments(), prompt.getFromSegment()));
      }
      before = prompt.getFromSegment();
      RequestLimits.checkPrompt("long_video.prompts.prompt", prompt.getPrompt(), card);
    }
  }
}
