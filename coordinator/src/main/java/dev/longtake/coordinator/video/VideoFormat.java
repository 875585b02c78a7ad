package dev.longtake.coordinator.video;

import java.util.Optional;

/**
 * What an MP4 is made from and what it becomes.
 *
 * @param width pixels of a frame that is written, before enlarging
 * @param height pixels of a frame that is written, before enlarging
 * @param upscale each pixel becomes {@code upscale x upscale} pixels, 1 to 16
 * @param fps frames per second, constant
 */
public record VideoFormat(int width, int height, int upscale, double fps) {
  /** Smallest edge OpenH264 encodes. */
  private static final int MIN_EDGE_PIXELS = 16;

  /** Longest edge that phones decode in hardware. */
  private static final int MAX_EDGE_PIXELS = 4096;

  /** OpenH264's limit, that of H.264 level 5.2: macroblocks of 16 x 16 pixels. */
  private static final int MAX_MACROBLOCKS = 36_864;

  private static final int MACROBLOCK_PIXELS = 16;

  public VideoFormat {
    if (width < 1 || height < 1 || upscale < 1 || !(fps > 0) || Double.isInfinite(fps)) {
      throw new IllegalArgumentException(
          "Expected a positive size, upscale and fps, but got %dx%d, %d, %s"
              .formatted(width, height, upscale, fps));
    }
  }

  /** Pixels in the file. */
  public int outputWidth() {
    return Math.multiplyExact(width, upscale);
  }

  /** Pixels in the file. */
  public int outputHeight() {
    return Math.multiplyExact(height, upscale);
  }

  /** Bytes of one frame that is written: [height, width, 3]. */
  public int frameBytes() {
    return Math.multiplyExact(Math.multiplyExact(width, height), 3);
  }

  /**
   * Why the output can't be encoded as H.264 with half-resolution colour, for a sentence "Expected …, but …"; empty when it
   * can be.
   */
  public Optional<String> problem() {
    long w = (long) width * upscale;
    long h = (long) height * upscale;
    String size = "%d x %d enlarged by %d is %d x %d".formatted(width, height, upscale, w, h);
    if (w % 2 != 0 || h % 2 != 0) {
      return Optional.of(
          "Expected a video with even width and height, but " + size + "; choose an even upscale");
    }
    if (Math.min(w, h) < MIN_EDGE_PIXELS) {
      return Optional.of(
          "Expected a video of at least %d pixels on each side, but %s; choose a larger upscale"
              .formatted(MIN_EDGE_PIXELS, size));
    }
    long macroblocks = Math.ceilDiv(w, MACROBLOCK_PIXELS) * Math.ceilDiv(h, MACROBLOCK_PIXELS);
    if (Math.max(w, h) > MAX_EDGE_PIXELS || macroblocks > MAX_MACROBLOCKS) {
      return Optional.of(
          "Expected a video of at most %d pixels on each side and %d in all, but %s; choose a smaller upscale"
              .formatted(
                  MAX_EDGE_PIXELS, MAX_MACROBLOCKS * MACROBLOCK_PIXELS * MACROBLOCK_PIXELS, size));
    }
    return Optional.empty();
  }
}
