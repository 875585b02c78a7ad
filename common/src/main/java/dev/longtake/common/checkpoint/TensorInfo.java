package dev.longtake.common.checkpoint;

import dev.longtake.common.tensor.DType;
import java.util.List;

/**
 * Where a tensor lies in its file.
 *
 * @param shape row-major, slowest axis first; empty for a scalar
 * @param offsetBytes from the start of the file's data, which begins after the header
 * @param sizeBytes the shape's product times the element size
 */
public record TensorInfo(
    String name, DType dtype, List<Long> shape, long offsetBytes, long sizeBytes) {
  public TensorInfo {
    shape = List.copyOf(shape);
  }

  /** The shape's product; 1 for a scalar. */
  public long elements() {
    return sizeBytes / dtype.sizeBytes();
  }
}
