package dev.longtake.ops.bench.quality;

/**
 * Structural similarity of two pictures (Wang et al., "Image quality assessment: from error visibility to structural similarity", 2004,
 * equation 13): the mean over all places of an 11 x 11 Gaussian window of deviation 1.5 that lies in the picture, with K1 = 0.01, K2 = 0.03
 * and L = 255. FFmpeg's filter of the name has blocks of 8 x 8 instead, whose values can't be compared with published ones.
 */
final class Ssim {
  /** Pixels along a side of the window. */
  static final int WINDOW = 11;

  private static final double DEVIATION = 1.5;
  private static final double C1 = Math.pow(0.01 * 255, 2);
  private static final double C2 = Math.pow(0.03 * 255, 2);
  private static final double[] WEIGHTS = weights();

  private Ssim() {}

  private static double[] weights() {
    double[] weights = new double[WINDOW];
    double sum = 0;
    for (int i = 0; i < WINDOW; i++) {
      double distance = (i - WINDOW / 2) / DEVIATION;
      weights[i] = Math.exp(-distance * distance / 2);
      sum += weights[i];
    }
    for (int i = 0; i < WINDOW; i++) {
      weights[i] /= sum;
    }
    return weights;
  }

  /**
   * The similarity, at most 1.
   *
   * @param one values of 0 to 255, [height, width], each at least {@link #WINDOW}
   * @param other of the same size
   */
  static double of(double[] one, double[] other, int width, int height) {
    double[] meanOne = filtered(one, width, height);
    double[] meanOther = filtered(other, width, height);
    double[] squareOne = filtered(product(one, one), width, height);
    double[] squareOther = filtered(product(other, other), width, height);
    double[] both = filtered(product(one, other), width, height);
    double sum = 0;
    for (int i = 0; i < both.length; i++) {
      double means = meanOne[i] * meanOther[i];
      double squares = meanOne[i] * meanOne[i] + meanOther[i] * meanOther[i];
      double covariance = both[i] - means;
      double variances = squareOne[i] + squareOther[i] - squares;
      sum += (2 * means + C1) * (2 * covariance + C2) / ((squares + C1) * (variances + C2));
    }
    return sum / both.length;
  }

  private static double[] product(double[] one, double[] other) {
    double[] product = new double[one.length];
    for (int i = 0; i < product.length; i++) {
      product[i] = one[i] * other[i];
    }
    return product;
  }

  /** Means under the window at all its places, row by row and then column by column. */
  private static double[] filtered(double[] values, int width, int height) {
    int places = width - WINDOW + 1;
    double[] rows = new double[height * places];
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < places; x++) {
        double sum = 0;
        for (int i = 0; i < WINDOW; i++) {
          sum += WEIGHTS[i] * values[y * width + x + i];
        }
        rows[y * places + x] = sum;
      }
    }
    double[] filtered = new double[(height - WINDOW + 1) * places];
    for (int at = 0; at < filtered.length; at++) {
      double sum = 0;
      for (int i = 0; i < WINDOW; i++) {
        sum += WEIGHTS[i] * rows[at + i * places];
      }
      filtered[at] = sum;
    }
    return filtered;
  }
}
