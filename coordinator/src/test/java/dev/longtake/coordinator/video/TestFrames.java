package dev.longtake.coordinator.video;

import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import javax.imageio.ImageIO;

/** Flat frames whose colour tells their index. */
public final class TestFrames {
  private static final int[][] COLOURS = {
    {230, 20, 20}, {20, 200, 40}, {30, 40, 220}, {240, 240, 240}, {0, 0, 0}, {220, 200, 10}
  };

  private TestFrames() {}

  /** Red, green and blue of frame {@code index}. */
  public static int[] colour(int index) {
    return COLOURS[index % COLOURS.length].clone();
  }

  /** Of the colour that is nearest to this red, green and blue. */
  public static int indexOf(byte[] rgb) {
    int nearest = 0;
    for (int i = 1; i < COLOURS.length; i++) {
      if (distance(rgb, COLOURS[i]) < distance(rgb, COLOURS[nearest])) {
        nearest = i;
      }
    }
    return nearest;
  }

  private static int distance(byte[] rgb, int[] colour) {
    int sum = 0;
    for (int c = 0; c < 3; c++) {
      sum += Math.abs(Byte.toUnsignedInt(rgb[c]) - colour[c]);
    }
    return sum;
  }

  /** [height, width, 3]. */
  public static byte[] flat(int width, int height, int index) {
    int[] colour = colour(index);
    byte[] rgb = new byte[width * height * 3];
    for (int i = 0; i < rgb.length; i++) {
      rgb[i] = (byte) colour[i % 3];
    }
    return rgb;
  }

  /** The same as a picture. */
  public static byte[] png(int width, int height, int index) throws IOException {
    int[] colour = colour(index);
    BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < width; x++) {
        image.setRGB(x, y, (colour[0] << 16) | (colour[1] << 8) | colour[2]);
      }
    }
    ByteArrayOutputStream png = new ByteArrayOutputStream();
    ImageIO.write(image, "png", png);
    return png.toByteArray();
  }

  /** A vertical edge at {@code edge}: red to its left, black to its right. */
  static ByteBuffer edge(int width, int height, int edge) {
    ByteBuffer rgb = ByteBuffer.allocate(width * height * 3);
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < width; x++) {
        rgb.put((byte) (x < edge ? 255 : 0)).put((byte) 0).put((byte) 0);
      }
    }
    return rgb.flip();
  }
}
