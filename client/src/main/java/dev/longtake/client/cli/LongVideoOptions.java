package dev.longtake.client.cli;

import dev.longtake.client.LongtakeClient;
import dev.longtake.client.LongtakeClientException;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Handover;
import dev.longtake.v1.LongVideo;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.SegmentPrompt;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** How a video that is longer than a clip is made, for picocli's {@code @Mixin}. */
public final class LongVideoOptions {
  @Option(
      names = "--segments",
      paramLabel = "N",
      description = {
        "Make the video of N clips, each of which goes on from the last frames of the one before",
        "(default: 1)."
      })
  @Nullable Integer segments;

  @Option(
      names = "--seconds",
      paramLabel = "X",
      description = "As many segments as X seconds need, instead of --segments.")
  @Nullable Double seconds;

  @Option(
      names = "--overlap",
      paramLabel = "N",
      description = "Frames that a segment is given of the one before (default: half a clip).")
  @Nullable Integer overlap;

  @Option(
      names = "--edit-ratio",
      paramLabel = "X",
      description =
          "How much those frames may change, 0 to below 1 (default: 0, they are kept as they are).")
  @Nullable Double editRatio;

  @Option(
      names = "--handover",
      paramLabel = "latents|pixels",
      converter = HandoverConverter.class,
      description = {
        "Give the next segment the last latents, or the last pixels encoded again",
        "(default: latents)."
      })
  @Nullable Handover handover;

  @Option(
      names = "--segment-prompt",
      paramLabel = "N=TEXT",
      description = "The prompt from segment N on, 2 or more; may be repeated.")
  Map<Integer, String> prompts = new TreeMap<>();

  /**
   * The request with these options; without any, as it was.
   *
   * @param client asked for the model's numbers where seconds are given
   */
  public GenerationRequest apply(GenerationRequest request, LongtakeClient client) {
    boolean isAbsent =
        segments == null
            && seconds == null
            && overlap == null
            && editRatio == null
            && handover == null
            && prompts.isEmpty();
    if (isAbsent) {
      return request;
    }
    LongVideo.Builder video = LongVideo.newBuilder();
    segments(request, client).ifPresent(video::setSegments);
    if (overlap != null) {
      video.setOverlap(overlap);
    }
    if (editRatio != null) {
      video.setEditRatio(editRatio);
    }
    if (handover != null) {
      video.setHandover(handover);
    }
    new TreeMap<>(prompts)
        .forEach((from, text) ->
            video.addPrompts(SegmentPrompt.newBuilder().setFromSegment(from).setPrompt(text)));
    return request.toBuilder().setLongVideo(video).build();
  }

  private Optional<Integer> segments(GenerationRequest request, LongtakeClient client) {
    if (seconds == null) {
      return Optional.ofNullable(segments);
    }
    if (segments != null) {
      throw invalid("Expected --segments or --seconds, but got both");
    }
    if (!(seconds > 0 && seconds < 1e6)) {
      throw invalid("Expected --seconds of more than 0, but got " + seconds);
    }
    ModelCard model = client.model();
    int frames = request.hasFrames() ? request.getFrames() : model.getFrames().getDefaultValue();
    int shown = Math.max(1, frames - (overlap == null ? frames / 2 : overlap));
    double later = Math.ceil((seconds * model.getFps() - frames) / shown);
    return Optional.of(1 + (int) Math.max(0, later));
  }

  private static LongtakeClientException invalid(String message) {
    return new LongtakeClientException(LongtakeClientException.INVALID_REQUEST, message);
  }

  /** {@code latents} or {@code pixels}. */
  static final class HandoverConverter implements ITypeConverter<Handover> {
    @Override
    public Handover convert(String value) {
      return switch (value) {
        case "latents" -> Handover.HANDOVER_LATENTS;
        case "pixels" -> Handover.HANDOVER_PIXELS;
        default ->
            throw new TypeConversionException(
                "Expected latents or pixels, but got '%s'".formatted(value));
      };
    }
  }
}
