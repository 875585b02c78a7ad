package dev.longtake.worker.device.cuda;

import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.PackedLinear;

/**
 * Weights [N, K] in the input's type, padded with zeros to whole tiles of the kernels, and behind them the bias in F32.
 *
 * @param paddedColumns K in whole steps of the kernels
 * @param biasBytes where the bias starts in the buffer; 0 without one
 */
record CudaPackedLinear(
    CudaBuffer buffer,
    int inputColumns,
    int outputColumns,
    int paddedColumns,
    DType inputType,
    long biasBytes)
    implements PackedLinear {
  @Override
  public void close() {
    buffer.close();
  }
}
