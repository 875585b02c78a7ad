package dev.longtake.worker.device.cpu;

import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.PackedLinear;

/**
 * Weights in oneDNN's blocked layout and, behind them, the bias in F32.
 *
 * @param biasBytes where the bias starts in the buffer; 0 without one
 */
record CpuPackedLinear(
    CpuBuffer buffer, int inputColumns, int outputColumns, DType inputType, long biasBytes)
    implements PackedLinear {
  boolean hasBias() {
    return biasBytes > 0;
  }

  @Override
  public void close() {
    buffer.close();
  }
}
