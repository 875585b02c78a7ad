package dev.longtake.worker.device;

import dev.longtake.common.tensor.Bfloat16;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What kernels should compute, written plainly in float64. */
final class Reference {
  private Reference() {}

  static double[] linear(
      float[] in, float[] weight, float @Nullable [] bias, int rows, int k, int n) {
    double[] out = new double[rows * n];
    for (int r = 0; r < rows; r++) {
      for (int c = 0; c < n; c++) {
        double sum = bias == null ? 0 : bias[c];
        for (int i = 0; i < k; i++) {
          sum += (double) in[r * k + i] * weight[c * k + i];
        }
        out[r * n + c] = sum;
      }
    }
    return out;
  }

  static double activate(double x, Activation activation) {
    return switch (activation) {
      case NONE -> x;
      case GELU_TANH ->
          x / 2 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
      case SILU -> x / (1 + Math.exp(-x));
    };
  }

  static double[] layerNorm(float[] row, double epsilon) {
    return layerNorm(toDoubles(row), epsilon);
  }

  static double[] layerNorm(double[] row, double epsilon) {
    double mean = 0;
    for (double x : row) {
      mean += x / row.length;
    }
    double variance = 0;
    for (double x : row) {
      variance += (x - mean) * (x - mean) / row.length;
    }
    double[] out = new double[row.length];
    for (int c = 0; c < row.length; c++) {
      out[c] = (row[c] - mean) / Math.sqrt(variance + epsilon);
    }
    return out;
  }

  /** Softmax attention of one query over rows of key and value. */
  static double[] attention(float[] query, float[][] keys, float[][] values, double scale) {
    double[] scores = new double[keys.length];
    double greatest = Double.NEGATIVE_INFINITY;
    for (int k = 0; k < keys.length; k++) {
      for (int d = 0; d < query.length; d++) {
        scores[k] += scale * query[d] * keys[k][d];
      }
      greatest = Math.max(greatest, scores[k]);
    }
    double total = 0;
    double[] out = new double[query.length];
    for (int k = 0; k < keys.length; k++) {
      double p = Math.exp(scores[k] - greatest);
      total += p;
      for (int d = 0; d < out.length; d++) {
        out[d] += p * values[k][d];
      }
    }
    for (int d = 0; d < out.length; d++) {
      out[d] = keys.length == 0 ? 0 : out[d] / total;
    }
    return out;
  }

  /**
   * Turns the pairs of one head.
   *
   * @param at the head's first channel in {@code x}
   * @param angles the first angle's place in the tables
   */
  static void rotate(
      double[] x, int at, int dimension, float[] cosines, float[] sines, int angles, Pairing p) {
    int half = dimension / 2;
    for (int k = 0; k < half; k++) {
      int i = at + (p == Pairing.ADJACENT ? 2 * k : k);
      int j = p == Pairing.ADJACENT ? i + 1 : i + half;
      double cosine = cosines[angles + k];
      double sine = sines[angles + k];
      double first = x[i];
      double second = x[j];
      x[i] = first * cosine - second * sine;
      x[j] = second * cosine + first * sine;
    }
  }

  /** In float32, because the order of the sums and their roundings are part of the contract. */
  static float[] combine(List<Term> terms, List<float[]> values, int rows, int columns) {
    float[] out = new float[rows * columns];
    for (int i = 0; i < out.length; i++) {
      boolean empty = true;
      for (int t = 0; t < terms.size(); t++) {
        float[] coefficients = terms.get(t).coefficients();
        float coefficient = coefficients[coefficients.length == 1 ? 0 : i / columns];
        if (coefficient != 0) {
          float product = coefficient * values.get(t)[i];
          out[i] = empty ? product : out[i] + product;
          empty = false;
        }
      }
    }
    return out;
  }

  static double learnedDeviation(double variance, double minLog, double maxLog) {
    double f = (variance + 1) / 2;
    return Math.exp((f * maxLog + (1 - f) * minLog) / 2);
  }

  static double[] reduceTokens(
      float[] in,
      int frames,
      int channels,
      TokenReduction r,
      float[] kernel,
      float[] bias,
      float[] normWeight,
      float[] normBias) {
    int rows = r.gridRows() / r.factor();
    int columns = r.gridColumns() / r.factor();
    double[] out = new double[frames * rows * columns * channels];
    int at = 0;
    for (int f = 0; f < frames; f++) {
      for (int y = 0; y < rows; y++) {
        for (int x = 0; x < columns; x++) {
          double[] token = new double[channels];
          for (int c = 0; c < channels; c++) {
            token[c] = bias[c];
            for (int v = 0; v < r.factor(); v++) {
              for (int u = 0; u < r.factor(); u++) {
                int row = (f * r.gridRows() + y * r.factor() + v) * r.gridColumns();
                double value = in[(row + x * r.factor() + u) * channels + c];
                token[c] += value * kernel[(c * r.factor() + v) * r.factor() + u];
              }
            }
          }
          double[] normal = layerNorm(token, r.epsilon());
          for (int c = 0; c < channels; c++) {
            out[at++] = normal[c] * normWeight[c] + normBias[c];
          }
        }
      }
    }
    return out;
  }

  static float[] toBfloat(float[] values) {
    float[] rounded = new float[values.length];
    for (int i = 0; i < values.length; i++) {
      rounded[i] = Bfloat16.toFloat(Bfloat16.fromFloat(values[i]));
    }
    return rounded;
  }

  static double[] toDoubles(float[] values) {
    double[] doubles = new double[values.length];
    for (int i = 0; i < values.length; i++) {
      doubles[i] = values[i];
    }
    return doubles;
  }
}
