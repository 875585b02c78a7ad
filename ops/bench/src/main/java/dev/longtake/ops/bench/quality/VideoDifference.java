package dev.longtake.ops.bench.quality;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.coordinator.video.VideoFrames;
import java.nio.ByteBuffer;
import java.nio.file.Path;

/**
 * How much a video differs from another one of the same size and length, as they are decoded: what their coding lost counts too.
 *
 * @param frames compared
 * @param psnrDb peak signal-to-noise ratio over all values of R, G and B, in dB; infinite for equal videos
 * @param ssim mean over the frames of the similarity of their luma, see {@link Ssim}
 * @param largestFrameError mean magnitude of a frame's differences, 0 to 255, of the frame where it is largest
 * @param largestErrorFrame that frame, from 0
 * @param largestPixelError of a single value of R, G or B, 0 to 255
 */
public record VideoDifference(
    int frames,
    double psnrDb,
    double ssim,
    double largestFrameError,
    int largestErrorFrame,
    int largestPixelError) {
  private static final int CHANNELS = 3;
  private static final double PEAK = 255;

  /**
   * Compares two files.
   *
   * @throws LongtakeException INVALID_REQUEST when one is no video, or they differ in size or length
   */
  public static VideoDifference of(Path one, Path other) {
    try (VideoFrames first = VideoFrames.open(one);
        VideoFrames second = VideoFrames.open(other)) {
      require(
          first.width() == second.width() && first.height() == second.height(),
          "Expected two videos of one size, but %s has %d x %d pixels and %s %d x %d"
              .formatted(
                  one, first.width(), first.height(), other, second.width(), second.height()));
      require(
          Math.min(first.width(), first.height()) >= Ssim.WINDOW,
          "Expected videos of at least %d x %d pixels, the window of SSIM, but got %d x %d"
              .formatted(Ssim.WINDOW, Ssim.WINDOW, first.width(), first.height()));
      Sums sums = new Sums(first.width(), first.height());
      while (true) {
        ByteBuffer ours = first.next();
        ByteBuffer theirs = second.next();
        if (ours == null && theirs == null) {
          require(sums.frames > 0, "Expected videos with frames, but %s has none".formatted(one));
          return sums.difference();
        }
        if (ours == null || theirs == null) {
          int more = 1;
          VideoFrames longer = ours == null ? second : first;
          while (longer.next() != null) {
            more++;
          }
          throw invalid(
              "Expected two videos with as many frames, but %s has %d and %s %d"
                  .formatted(
                      one,
                      sums.frames + (ours == null ? 0 : more),
                      other,
                      sums.frames + (theirs == null ? 0 : more)));
        }
        sums.add(ours, theirs);
      }
    }
  }

  private static void require(boolean condition, String message) {
    if (!condition) {
      throw invalid(message);
    }
  }

  private static LongtakeException invalid(String message) {
    return new LongtakeException(ErrorCode.INVALID_REQUEST, message);
  }

  /** Of the frames so far. */
  private static final class Sums {
    private final int width;
    private final int height;
    private int frames;
    private double squares;
    private double ssim;
    private double largestFrameError;
    private int largestErrorFrame;
    private int largestPixelError;

    Sums(int width, int height) {
      this.width = width;
      this.height = height;
    }

    void add(ByteBuffer one, ByteBuffer other) {
      int values = width * height * CHANNELS;
      long magnitudes = 0;
      for (int i = 0; i < values; i++) {
        int error = Math.abs((one.get(i) & 0xff) - (other.get(i) & 0xff));
        magnitudes += error;
        squares += (double) error * error;
        largestPixelError = Math.max(largestPixelError, error);
      }
      double frameError = magnitudes / (double) values;
      if (frameError > largestFrameError) {
        largestFrameError = frameError;
        largestErrorFrame = frames;
      }
      ssim += Ssim.of(luma(one), luma(other), width, height);
      frames++;
    }

    /** Of BT.601, 0 to 255. */
    private double[] luma(ByteBuffer rgb) {
      double[] luma = new double[width * height];
      for (int i = 0; i < luma.length; i++) {
        luma[i] =
            0.299 * (rgb.get(CHANNELS * i) & 0xff)
                + 0.587 * (rgb.get(CHANNELS * i + 1) & 0xff)
                + 0.114 * (rgb.get(CHANNELS * i + 2) & 0xff);
      }
      return luma;
    }

    VideoDifference difference() {
      double mean = squares / ((double) frames * width * height * CHANNELS);
      return new VideoDifference(
          frames,
          10 * Math.log10(PEAK * PEAK / mean),
          ssim / frames,
          largestFrameError,
          largestErrorFrame,
          largestPixelError);
    }
  }
}
