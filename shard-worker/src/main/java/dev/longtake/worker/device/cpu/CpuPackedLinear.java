package dev.longtake.worker.device.cpu;

import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.PackedLinear;

/**
 * Weights in the layout of the products that packed them and, behind them, the bias in float32.
 *
 * @param productColumns columns that are computed: those of the layer, and zeros where that is too few or no multiple
 * @param biasBytes where the bias starts in the buffer; 0 without one
 */
record CpuPackedLinear(
    CpuBuffer buffer,
    int inputColumns,
    int outputColumns,
    int productColumns,
    DType inputType,
    long biasBytes)
    implements PackedLinear {
  /** What the memory of weights counts as. */
  static final String TAG = "weights";

  boolean hasBias() {
    return biasBytes > 0;
  }

  @Override
  public void close() {
    buffer.close();
  }
}
