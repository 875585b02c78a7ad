package dev.longtake.worker.engine.program;

import dev.longtake.common.checkpoint.Checkpoint;
import java.util.List;

/** Whether a checkpoint has what a program needs. */
public final class ProgramCheck {
  private ProgramCheck() {}

  /**
   * Checks names and shapes of all weights, without reading them.
   *
   * @throws dev.longtake.common.error.LongtakeException INVALID_CHECKPOINT naming the first weight that is missing, misnamed
   *     or of another shape
   */
  public static void require(Program program, Checkpoint checkpoint) {
    for (LinearSpec spec : program.linears()) {
      require(checkpoint, spec.layer() + ".weight", spec.shape());
      require(checkpoint, spec.layer() + ".bias", List.of(spec.outputColumns()));
    }
    for (TensorSpec spec : program.tensors()) {
      require(checkpoint, spec.name(), spec.shape());
    }
  }

  private static void require(Checkpoint checkpoint, String name, List<Integer> shape) {
    checkpoint.requireFloat(name, shape.stream().mapToLong(Integer::longValue).toArray());
  }
}
