package dev.longtake.worker.device.cpu;

import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.Matrix;
import java.lang.foreign.MemorySegment;

/**
 * A {@link Matrix} resolved to memory, with everything in bytes.
 *
 * @param segment the whole buffer
 * @param baseBytes where element (0, 0) is
 * @param strideBytes from one row to the next
 */
record View(
    MemorySegment segment,
    long baseBytes,
    long strideBytes,
    int rows,
    int columns,
    boolean bfloat) {
  static View of(CpuMemory memory, Matrix matrix) {
    int size = matrix.dtype().sizeBytes();
    return new View(
        memory.segment(matrix.buffer()),
        matrix.offset() * size,
        (long) matrix.rowStride() * size,
        matrix.rows(),
        matrix.columns(),
        matrix.dtype() == DType.BF16);
  }

  int elementBytes() {
    return bfloat ? 2 : 4;
  }

  /** Where a row starts in the segment. */
  long row(int row) {
    return baseBytes + row * strideBytes;
  }

  /** Where an element is in the segment. */
  long at(int row, int column) {
    return row(row) + (long) column * elementBytes();
  }

  /** Some rows and columns of this view. */
  View block(int row, int column, int rows, int columns) {
    return new View(segment, at(row, column), strideBytes, rows, columns, bfloat);
  }

  /** Of element (0, 0). */
  long address() {
    return segment.address() + baseBytes;
  }
}
