package dev.longtake.worker.device;

import dev.longtake.common.tensor.DType;

/** Weight and bias of a linear layer in the device's favourite layout. The creator owns and closes it. */
public interface PackedLinear extends AutoCloseable {
  /** Columns of the input, K. */
  int inputColumns();

  /** Columns of the output, N. */
  int outputColumns();

  /** What the input must be: F32 for exact products, BF16 where weights and inputs are rounded. */
  DType inputType();

  @Override
  void close();
}
