package dev.longtake.coordinator.api;

import static dev.longtake.common.error.LongtakeException.invalidField;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.coordinator.jobs.Segments;
import dev.longtake.v1.Handover;
import dev.longtake.v1.LongVideo;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.SegmentPrompt;

/** Checks how a video is to be divided into segments. */
final class LongVideos {
  private static final int MAX_SEGMENTS = 100_000;

  /** Each prompt is encoded before the job is accepted. */
  private static final int MAX_PROMPTS = 100;

  private LongVideos() {}

  /**
   * The same with every default filled in.
   *
   * @param frames of a clip
   * @throws LongtakeException INVALID_REQUEST naming the field
   */
  static LongVideo complete(LongVideo video, int frames, ModelCard card) {
    if (!Segments.areFor(card)) {
      throw invalidField(
          "long_video",
          "Expected a model whose sampler can keep given frames (rectified flow, ancestral), but %s has %s; leave long_video out"
              .formatted(card.getName(), card.getSampler()));
    }
    if (video.getSegments() < 1 || video.getSegments() > MAX_SEGMENTS) {
      throw invalidField(
          "long_video.segments",
          "Expected 1 to %d segments, but got %d".formatted(MAX_SEGMENTS, video.getSegments()));
    }
    if (frames < 2) {
      throw invalidField(
          "frames",
          "Expected at least 2 frames in each segment of a long video, but got " + frames);
    }
    Handover handover = handover(video);
    int overlap = video.hasOverlap() ? video.getOverlap() : frames / 2;
    int most = handover == Handover.HANDOVER_PIXELS ? frames / 2 : frames - 1;
    if (overlap < 1 || overlap > most) {
      throw invalidField(
          "long_video.overlap",
          "Expected an overlap of 1 to %d frames, since segments have %d%s, but got %d"
              .formatted(
                  most,
                  frames,
                  handover == Handover.HANDOVER_PIXELS ? " and hand over their pixels" : "",
                  overlap));
    }
    // NaN fails every comparison, so it is refused as well.
    if (!(video.getEditRatio() >= 0 && video.getEditRatio() < 1)) {
      throw invalidField(
          "long_video.edit_ratio",
          "Expected an edit_ratio of 0 (keeps the frames) up to, but not including, 1, but got %s"
              .formatted(video.getEditRatio()));
    }
    requirePrompts(video, card);
    return video.toBuilder()
        .setOverlap(overlap)
        .setEditRatio(video.getEditRatio())
        .setHandover(handover)
        .build();
  }

  private static Handover handover(LongVideo video) {
    return switch (video.getHandover()) {
      case HANDOVER_UNSPECIFIED, HANDOVER_LATENTS -> Handover.HANDOVER_LATENTS;
      case HANDOVER_PIXELS -> Handover.HANDOVER_PIXELS;
      case UNRECOGNIZED ->
          throw invalidField(
              "long_video.handover",
              "Expected HANDOVER_LATENTS or HANDOVER_PIXELS, but got the unknown value %d"
                  .formatted(video.getHandoverValue()));
    };
  }

  private static void requirePrompts(LongVideo video, ModelCard card) {
    if (video.getPromptsCount() > MAX_PROMPTS) {
      throw invalidField(
          "long_video.prompts",
          "Expected at most %d prompts, but got %d"
              .formatted(MAX_PROMPTS, video.getPromptsCount()));
    }
    int before = 1;
    for (SegmentPrompt prompt : video.getPromptsList()) {
      if (prompt.getFromSegment() <= before || prompt.getFromSegment() > video.getSegments()) {
        throw invalidField(
            "long_video.prompts.from_segment",
            "Expected a prompt from segment %d to %d on, in order, but got %d"
                .formatted(before + 1, video.getSegments(), prompt.getFromSegment()));
      }
      before = prompt.getFromSegment();
      RequestValidator.requirePrompt("long_video.prompts.prompt", prompt.getPrompt(), card);
    }
  }
}
