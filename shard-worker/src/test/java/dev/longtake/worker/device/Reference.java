package dev.longtake.worker.device;

import dev.longtake.common.tensor.Bfloat16;
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
    double mean = 0;
    for (float x : row) {
      mean += (double) x / row.length;
    }
    double variance = 0;
    for (float x : row) {
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
