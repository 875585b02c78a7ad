package dev.longtake.worker.engine.exec;

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
   * @return [values, width]
   */
  public static float[] sinusoids(float[] values, int width) {
    int half = width / 2;
    float[] table = new float[values.length * width];
    for (int k = 0; k < half; k++) {
      float exponent = (float) -LN_10000 * k / half;
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
   * The scaled 2-D position table of Open-Sora 1.1 and 1.2: the first half of the channels encodes the column, the second the
   * row; within each, sines first, then cosines, with {@code w_k = 10000^(-k / (channels / 4))}.
   *
   * @param scale of the resolution
   * @param baseSize the square grid that positions are stretched to; not positive for none
   * @return [rows * columns, channels]
   */
  public static float[] positions(
      int rows, int columns, int channels, double scale, double baseSize) {
    float[] table = new float[rows * columns * channels];
    int quarter = channels / 4;
    for (int i = 0; i < rows; i++) {
      double row = i / scale * (baseSize > 0 ? baseSize / rows : 1);
      for (int j = 0; j < columns; j++) {
        double column = j / scale * (baseSize > 0 ? baseSize / columns : 1);
        int at = (i * columns + j) * channels;
        for (int k = 0; k < quarter; k++) {
          double frequency = StrictMath.exp(-LN_10000 * k / quarter);
          table[at + k] = (float) StrictMath.sin(column * frequency);
          table[at + quarter + k] = (float) StrictMath.cos(column * frequency);
          table[at + 2 * quarter + k] = (float) StrictMath.sin(row * frequency);
          table[at + 3 * quarter + k] = (float) StrictMath.cos(row * frequency);
        }
      }
    }
    return table;
  }

  /** Which of a rotation's two tables. */
  public enum Part {
    COSINE,
    SINE
  }

  /**
   * Cosines or sines of {@code position * frequency}.
   *
   * @return [positions, frequencies.length]
   */
  public static float[] rotation(int positions, float[] frequencies, Part part) {
    float[] table = new float[positions * frequencies.length];
    for (int p = 0; p < positions; p++) {
      for (int k = 0; k < frequencies.length; k++) {
        float angle = p * frequencies[k];
        table[p * frequencies.length + k] =
            (float)
                switch (part) {
                  case COSINE -> StrictMath.cos(angle);
                  case SINE -> StrictMath.sin(angle);
                };
      }
    }
    return table;
  }
}
