package dev.longtake.worker.engine.program;

import dev.longtake.common.tensor.DType;
import java.util.List;

/**
 * A linear layer that a program uses: weights {@code <layer>.weight} and {@code <layer>.bias}.
 *
 * @param shape of the weight in the checkpoint; the first axis is the output, all others together are the input
 * @param reducible whether its product may run in bfloat16: true inside the blocks
 */
public record LinearSpec(String layer, List<Integer> shape, boolean reducible) {
  public int outputColumns() {
    return shape.getFirst();
  }

  public int inputColumns() {
    return shape.stream().skip(1).reduce(1, (a, b) -> a * b);
  }

  /** What the product reads, where the blocks' products read {@code blockType}. */
  public DType type(DType blockType) {
    return reducible ? blockType : DType.F32;
  }
}
