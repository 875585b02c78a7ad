package dev.longtake.worker.engine.program;

import java.util.List;

/** A float32 tensor that a program uses as it is: tables, norm weights, frequencies. */
public record TensorSpec(String name, List<Integer> shape) {
  /** Values that it has. */
  public long elements() {
    return shape.stream().mapToLong(Integer::longValue).reduce(1, Math::multiplyExact);
  }
}
