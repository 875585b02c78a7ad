package dev.longtake.worker.device.cuda;

import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.Matrix;

/**
 * A {@link Matrix} resolved to a place on the GPU.
 *
 * @param address of element (0, 0)
 * @param stride elements from one row to the next
 */
record CudaView(long address, long stride, int rows, int columns, boolean bfloat) {
  /** For a parameter that is not there. */
  static final CudaView NONE = new CudaView(0, 0, 0, 0, false);

  static CudaView of(CudaMemory memory, Matrix matrix) {
    return new CudaView(
        memory.address(matrix.buffer()) + matrix.offset() * matrix.dtype().sizeBytes(),
        matrix.rowStride(),
        matrix.rows(),
        matrix.columns(),
        matrix.dtype() == DType.BF16);
  }

  int elementBytes() {
    return bfloat ? 2 : 4;
  }

  long rowBytes() {
    return (long) columns * elementBytes();
  }

  long pitchBytes() {
    return stride * elementBytes();
  }
}
