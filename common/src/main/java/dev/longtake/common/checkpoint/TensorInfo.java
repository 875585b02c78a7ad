package dev.longtake.common.checkpoint;

import dev.longtake.common.tensor.DType;
import java.util.List;

/**
 * What a checkpoint says of a tensor.
 *
 * @param shape row-major, slowest axis first; empty for a scalar
 * @param sizeBytes the shape's product times the element size
 */
public record TensorInfo(String name, DType dtype, List<Long> shape, long sizeBytes) {
  public TensorInfo {
    shape = List.copyOf(shape);
  }

  /** The shape's product; 1 for a scalar. */
  public long elements() {
    return sizeBytes / dtype.sizeBytes();
  }
}
