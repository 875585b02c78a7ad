package dev.longtake.worker.device.cpu;

import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.PackedLinear;

/**
 * Weights in oneDNN's blocked layout and, behind them, the bias in F32.
 *
 * @param productColumns columns that oneDNN computes: at least {@link #LEAST_COLUMNS}, the rest of them zeros
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
  /** A single column takes a path through oneDNN on which the sum's order depends on the row. */
  static final int LEAST_COLUMNS = 2;

  boolean hasBias() {
    return biasBytes > 0;
  }

  @Override
  public void close() {
    buffer.close();
  }
}
