package dev.longtake.client.cli;

import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import javax.imageio.ImageIO;

/** A picture as characters, of which each is two pixels. */
final class BlockPicture {
  private static final char UPPER_HALF = '\u2580';

  private BlockPicture() {}

  /**
   * Rows of characters with 24-bit colours, each ended by a line feed.
   *
   * @param columns width in characters, which is that in pixels
   * @param rows height in characters, half of that in pixels
   * @throws IOException when the bytes are no picture
   */
  static String of(byte[] png, int columns, int rows) throws IOException {
    BufferedImage picture = ImageIO.read(new ByteArrayInputStream(png));
    if (picture == null) {
      throw new IOException("No picture");
    }
    BufferedImage pixels = scaled(picture, columns, 2 * rows);
    StringBuilder all = new StringBuilder();
    for (int row = 0; row < rows; row++) {
      for (int column = 0; column < columns; column++) {
        all.append(colour(38, pixels.getRGB(column, 2 * row)))
            .append(colour(48, pixels.getRGB(column, 2 * row + 1)))
            .append(UPPER_HALF);
      }
      all.append("\u001b[0m\n");
    }
    return all.toString();
  }

  private static BufferedImage scaled(BufferedImage picture, int width, int height) {
    BufferedImage scaled = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
    Graphics2D graphics = scaled.createGraphics();
    try {
      graphics.setRenderingHint(
          RenderingHints.KEY_INTERPOLATION, RenderingHints.VALUE_INTERPOLATION_BILINEAR);
      graphics.drawImage(picture, 0, 0, width, height, null);
    } finally {
      graphics.dispose();
    }
    return scaled;
  }

  /** Selects one (ECMA-48, with the direct colours of ISO 8613-6). */
  private static String colour(int which, int rgb) {
    return "\u001b[%d;2;%d;%d;%dm".formatted(which, rgb >> 16 & 255, rgb >> 8 & 255, rgb & 255);
  }
}
