package dev.longtake.worker.engine.exec;

import dev.longtake.worker.engine.model.Rotary;
import java.util.List;
import java.util.function.DoubleUnaryOperator;

/**
 * Sinusoid tables, computed on the host in a fixed way: {@link StrictMath} gives the same bits everywhere. The Open-Sora family
 * computes frequencies and angles in float32, and near t = 1000 that is visible in the fifth digit, so we do the same.
 */
public final class Tables {
  private static final double LN_10000 = 9.210340371976184;

  private Tables() {}

  /**
   * The timestep table of DiT: {@code cos(t f_k)} for k below half the width, then {@code sin(t f_k)}, with {@code f_k =
   * exp(-ln(10000) k / half)}.
   *
   * @param lastFrequencyReached divides k by half - 1 instead, so that the last frequency is 1 / 10000
   * @return [values, width]
   */
  public static float[] sinusoids(float[] values, int width, boolean lastFrequencyReached) {
    int half = width / 2;
    int span = lastFrequencyReached ? half - 1 : half;
    float[] table = new float[values.length * width];
    for (int k = 0; k < half; k++) {
      float exponent = (float) -LN_10000 * k / span;
      float frequency = (float) StrictMath.exp(exponent);
      for (int i = 0; i < values.length; i++) {
        float angle = values[i] * frequency;
        table[i * width + k] = (float) StrictMath.cos(angle);
        table[i * width + half + k] = (float) StrictMath.sin(angle);
      }
    }
    return table;
  }

  /**
   * The scaled 2-D position table of the Open-Sora family: the first half of the channels encodes the column, the second the
   * row; within each, sines first, then cosines, with {@code w_k = 10000^(-k / (channels / 4))}.
   *
   * @param scale of the resolution
   * @param baseSize the square grid that positions are stretched to; not positive for none
   * @return [rows * columns, channels]
   */
  public static float[] positions(
      int rows, int columns, int channels, double scale, double baseSize) {
    float[] rowTable = axis(rows, channels / 2, scale, baseSize > 0 ? baseSize / rows : 1);
    float[] columnTable = axis(columns, channels / 2, scale, baseSize > 0 ? baseSize / columns : 1);
    float[] table = new float[Math.multiplyExact(rows * columns, channels)];
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < columns; j++) {
        int at = (i * columns + j) * channels;
        System.arraycopy(columnTable, j * (channels / 2), table, at, channels / 2);
        System.arraycopy(rowTable, i * (channels / 2), table, at + channels / 2, channels / 2);
      }
    }
    return table;
  }

  /**
   * Consecutive tokens of a sequence that is laid out as rows of a grid: token i is at row {@code i div side}, column {@code i mod
   * side} of a table like {@link #positions}, unscaled.
   *
   * @return [tokens, channels]
   */
  public static float[] sequencePositions(int first, int tokens, int side, int channels) {
    float[] sideTable = axis(side, channels / 2, 1, 1);
    float[] table = new float[Math.multiplyExact(tokens, channels)];
    for (int i = 0; i < tokens; i++) {
      int row = (first + i) / side;
      int column = (first + i) % side;
      System.arraycopy(sideTable, column * (channels / 2), table, i * channels, channels / 2);
      System.arraycopy(
          sideTable, row * (channels / 2), table, i * channels + channels / 2, channels / 2);
    }
    return table;
  }

  /**
   * Positions of frames: sines, then cosines of {@code i / scale * w_k}, {@code w_k = 10000^(-k / (channels / 2))}.
   *
   * @return [frames, channels]
   */
  public static float[] framePositions(int frames, int channels, double scale) {
    return axis(frames, channels, scale, 1);
  }

  /** Sines, then cosines, along one axis: [positions, width]. */
  private static float[] axis(int positions, int width, double scale, double stretch) {
    float[] table = new float[Math.multiplyExact(positions, width)];
    int half = width / 2;
    for (int k = 0; k < half; k++) {
      double frequency = StrictMath.exp(-LN_10000 * k / half);
      for (int i = 0; i < positions; i++) {
        double angle = i / scale * stretch * frequency;
        table[i * width + k] = (float) StrictMath.sin(angle);
        table[i * width + half + k] = (float) StrictMath.cos(angle);
      }
    }
    return table;
  }

  /**
   * Angles {@code frame * frequency}, in single precision.
   *
   * @return [frames, frequencies.length]
   */
  public static double[] frameAngles(int frames, float[] frequencies) {
    double[] angles = new double[frames * frequencies.length];
    for (int frame = 0; frame < frames; frame++) {
      for (int k = 0; k < frequencies.length; k++) {
        angles[frame * frequencies.length + k] = frame * frequencies[k];
      }
    }
    return angles;
  }

  /**
   * Angles of tokens on several axes, the axes' angles side by side.
   *
   * @param places of each token along the axes
   * @return [places, sum of the axes' widths / 2]
   */
  public static double[] axesAngles(Rotary.Axes axes, List<int[]> places) {
    int columns = axes.widths().stream().mapToInt(width -> width / 2).sum();
    double[] angles = new double[Math.multiplyExact(places.size(), columns)];
    int column = 0;
    for (int axis = 0; axis < axes.widths().size(); axis++) {
      int width = axes.widths().get(axis);
      for (int k = 0; k < width / 2; k++, column++) {
        double frequency = StrictMath.pow(axes.theta(), -2.0 * k / width);
        for (int token = 0; token < places.size(); token++) {
          int place = places.get(token)[axis];
          angles[token * columns + column] =
              axes.exactAngles() ? place * frequency : place * (float) frequency;
        }
      }
    }
    return angles;
  }

  /** A function of each angle, to single precision. */
  public static float[] of(double[] angles, DoubleUnaryOperator function) {
    float[] values = new float[angles.length];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) function.applyAsDouble(angles[i]);
    }
    return values;
  }
}
