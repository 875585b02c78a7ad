package dev.longtake.worker.device;

import dev.longtake.common.tensor.DType;

/**
 * A view of rows in a buffer: element (r, c) is at {@code offset + r * rowStride + c}, in elements.
 *
 * @param dtype F32 or BF16
 * @param rowStride elements from one row to the next, at least {@code columns}
 */
public record Matrix(
    DeviceBuffer buffer, long offset, int rows, int columns, int rowStride, DType dtype) {
  public Matrix {
    if (dtype != DType.F32 && dtype != DType.BF16) {
      throw new IllegalArgumentException("Expected F32 or BF16, but got " + dtype);
    }
    if (offset < 0 || rows < 0 || columns < 0 || rowStride < columns) {
      throw new IllegalArgumentException(
          "Expected a view with rowStride >= columns, but got offset %d, %d x %d, stride %d"
              .formatted(offset, rows, columns, rowStride));
    }
    // A view without elements has no place, so it may start anywhere.
    boolean empty = rows == 0 || columns == 0;
    long end = empty ? 0 : offset + (long) (rows - 1) * rowStride + columns;
    if (end * dtype.sizeBytes() > buffer.sizeBytes()) {
      throw new IllegalArgumentException(
          "Expected a view inside the buffer of %d bytes, but it ends at %d"
              .formatted(buffer.sizeBytes(), end * dtype.sizeBytes()));
    }
  }

  /** The start of {@code buffer} as dense rows. */
  public static Matrix dense(DeviceBuffer buffer, int rows, int columns, DType dtype) {
    return new Matrix(buffer, 0, rows, columns, columns, dtype);
  }

  /** Rows [from, to). */
  public Matrix rows(int from, int to) {
    return new Matrix(
        buffer, offset + (long) from * rowStride, to - from, columns, rowStride, dtype);
  }

  /** Columns [from, to). */
  public Matrix columns(int from, int to) {
    return new Matrix(buffer, offset + from, rows, to - from, rowStride, dtype);
  }

  /** Whether the rows follow each other without a gap. */
  public boolean isDense() {
    return rowStride == columns;
  }
}
