package dev.longtake.coordinator.video;

import com.google.protobuf.ByteString;
import java.awt.RenderingHints;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.UncheckedIOException;
import javax.imageio.ImageIO;
import javax.imageio.stream.MemoryCacheImageOutputStream;

/** A frame as a small PNG. */
public final class PreviewPicture {
  /** Enough to see what a video becomes; a few tens of kilobytes. */
  private static final int MAX_SIDE = 256;

  private PreviewPicture() {}

  /**
   * A PNG of the frame, made smaller where it is large.
   *
   * @param rgb 8-bit, [height, width, 3]
   */
  public static ByteString png(ByteString rgb, int width, int height) {
    BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < width; x++) {
        int at = (y * width + x) * 3;
        image.setRGB(
            x,
            y,
            (rgb.byteAt(at) & 0xff) << 16
                | (rgb.byteAt(at + 1) & 0xff) << 8
                | (rgb.byteAt(at + 2) & 0xff));
      }
    }
    ByteString.Output png = ByteString.newOutput();
    // Without a cache file on the disk.
    try (MemoryCacheImageOutputStream out = new MemoryCacheImageOutputStream(png)) {
      ImageIO.write(smaller(image), "png", out);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return png.toByteString();
  }

  private static BufferedImage smaller(BufferedImage image) {
    int longer = Math.max(image.getWidth(), image.getHeight());
    if (longer <= MAX_SIDE) {
      return image;
    }
    int width = Math.max(1, image.getWidth() * MAX_SIDE / longer);
    int height = Math.max(1, image.getHeight() * MAX_SIDE / longer);
    BufferedImage small = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
    var graphics = small.createGraphics();
    graphics.setRenderingHint(
        RenderingHints.KEY_INTERPOLATION, RenderingHints.VALUE_INTERPOLATION_BILINEAR);
    graphics.drawImage(image, 0, 0, width, height, null);
    graphics.dispose();
    return small;
  }
}
