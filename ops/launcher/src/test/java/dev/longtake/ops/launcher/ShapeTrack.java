package dev.longtake.ops.launcher;

import dev.longtake.ops.testing.DecodedVideo;
import java.util.ArrayList;
import java.util.List;

/**
 * Where the one shape of a clip is, frame by frame, found by its colour, and how much else there is.
 *
 * @param positions one for each frame
 */
record ShapeTrack(List<Position> positions) {
  /** A colour as far as a test needs it. */
  @FunctionalInterface
  interface Colour {
    /** Channels are 0 to 255. */
    boolean is(int red, int green, int blue);
  }

  /**
   * The shape in one frame.
   *
   * @param x centre of the shape's pixels, as a fraction of the width, 0 at the left
   * @param y the same of the height, 0 at the top
   * @param shapeShare of all pixels, those in the shape's colour
   * @param backgroundShare of all pixels, those in the background's colour
   */
  record Position(double x, double y, double shapeShare, double backgroundShare) {}

  static ShapeTrack of(DecodedVideo video, Colour shape, Colour background) {
    var positions = new ArrayList<Position>();
    for (byte[] frame : video.frames()) {
      positions.add(find(video, frame, shape, background));
    }
    return new ShapeTrack(positions);
  }

  private static Position find(DecodedVideo video, byte[] frame, Colour shape, Colour background) {
    double sumX = 0;
    double sumY = 0;
    int shapePixels = 0;
    int backgroundPixels = 0;
    for (int y = 0; y < video.height(); y++) {
      for (int x = 0; x < video.width(); x++) {
        int at = (y * video.width() + x) * 3;
        int red = frame[at] & 0xff;
        int green = frame[at + 1] & 0xff;
        int blue = frame[at + 2] & 0xff;
        if (shape.is(red, green, blue)) {
          sumX += x + 0.5;
          sumY += y + 0.5;
          shapePixels++;
        } else if (background.is(red, green, blue)) {
          backgroundPixels++;
        }
      }
    }
    double all = (double) video.width() * video.height();
    return new Position(
        sumX / shapePixels / video.width(),
        sumY / shapePixels / video.height(),
        shapePixels / all,
        backgroundPixels / all);
  }

  /** From the first frame to the last, in widths; positive to the right. */
  double movedRight() {
    return positions.getLast().x() - positions.getFirst().x();
  }

  /** From the first frame to the last, in heights; positive downwards. */
  double movedDown() {
    return positions.getLast().y() - positions.getFirst().y();
  }
}
