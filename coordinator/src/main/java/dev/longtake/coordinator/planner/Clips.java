package dev.longtake.coordinator.planner;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.ClipGeometry;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.ModelCard;

/** From the size of a video to the size of its latents. */
public final class Clips {
  /** What Open-Sora 1.2 was trained to be told about a single image. */
  private static final double IMAGE_FPS = 120;

  private Clips() {}

  /**
   * The clip of a request.
   *
   * @param request with every default filled in
   * @throws LongtakeException INVALID_MODEL, see {@link #requirePlannable}
   */
  public static ClipGeometry geometry(ModelCard card, GenerationRequest request) {
    requirePlannable(card);
    int compression = card.getSpatialCompression();
    return ClipGeometry.newBuilder()
        .setLatentFrames(request.getFrames())
        .setLatentHeight(Math.ceilDiv(request.getHeight(), compression))
        .setLatentWidth(Math.ceilDiv(request.getWidth(), compression))
        .setPixelHeight(request.getHeight())
        .setPixelWidth(request.getWidth())
        .setPixelFrames(request.getFrames())
        .setFps(request.getFrames() == 1 ? IMAGE_FPS : card.getFps())
        .build();
  }

  /**
   * Checks that the model's latents can be derived from a video's size.
   *
   * @throws LongtakeException INVALID_MODEL when the model compresses time, or its card has no spatial compression
   */
  public static void requirePlannable(ModelCard card) {
    if (card.getTemporalCompression() != 1) {
      throw new LongtakeException(
          ErrorCode.INVALID_MODEL,
          "Expected a model with one latent frame per video frame, but %s has temporal_compression %d; this version can't plan it, serve another model"
              .formatted(card.getName(), card.getTemporalCompression()));
    }
    if (card.getSpatialCompression() < 1) {
      throw new LongtakeException(
          ErrorCode.INVALID_MODEL,
          "Expected a model with a spatial_compression of at least 1, but %s has %d; correct its model_index.json"
              .formatted(card.getName(), card.getSpatialCompression()));
    }
  }
}
