package dev.longtake.worker.device.cpu;

import dev.longtake.worker.device.TokenReduction;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/** Cells of tokens to one token each: a convolution per channel, then a layer norm. */
final class Reduction {
  private static final int TASK_ELEMENTS = 32_768;

  private final View in;
  private final View out;
  private final TokenReduction shape;
  private final View bias;
  private final View normWeight;
  private final View normBias;

  /** The kernel as [factor * factor, padded], so that a lane is a channel. */
  private final float[] taps;

  private final int padded;

  Reduction(
      View in,
      View out,
      TokenReduction shape,
      View kernel,
      View bias,
      View normWeight,
      View normBias) {
    this.in = in;
    this.out = out;
    this.shape = shape;
    this.bias = bias;
    this.normWeight = normWeight;
    this.normBias = normBias;
    this.padded = Lanes.roundUp(in.columns());
    this.taps = transpose(kernel, padded);
  }

  private static float[] transpose(View kernel, int padded) {
    float[] taps = new float[Math.multiplyExact(kernel.columns(), padded)];
    for (int channel = 0; channel < kernel.rows(); channel++) {
      for (int tap = 0; tap < kernel.columns(); tap++) {
        long at = kernel.row(channel) + tap * 4L;
        taps[tap * padded + channel] = kernel.segment().get(Lanes.FLOAT, at);
      }
    }
    return taps;
  }

  void run(Threads threads) {
    Elementwise.forRows(
        threads,
        out.rows(),
        Math.multiplyExact(shape.factor() * shape.factor(), out.columns()),
        TASK_ELEMENTS,
        (thread, row) -> {
          convolve(row);
          Normalisation.normRows(
              out, out, row, row + 1, normBias, normWeight, 0, 0, shape.epsilon());
        });
  }

  private void convolve(int row) {
    int factor = shape.factor();
    int cellsPerRow = shape.gridColumns() / factor;
    int frame = row / shape.outputTokens();
    int cell = row % shape.outputTokens();
    int firstRow =
        frame * shape.inputTokens()
            + cell / cellsPerRow * factor * shape.gridColumns()
            + cell % cellsPerRow * factor;
    for (int c = 0; c < out.columns(); c += Lanes.COUNT) {
      VectorMask<Float> mask = Lanes.tail(c, out.columns());
      FloatVector sum = Lanes.load(bias.segment(), bias.row(0) + c * 4L, mask);
      for (int tap = 0; tap < factor * factor; tap++) {
        int token = firstRow + tap / factor * shape.gridColumns() + tap % factor;
        FloatVector x = Lanes.load(in.segment(), in.row(token) + c * 4L, mask);
        sum = x.fma(FloatVector.fromArray(Lanes.FLOATS, taps, tap * padded + c), sum);
      }
      Lanes.store(sum, out.segment(), out.row(row) + c * 4L, mask);
    }
  }
}
