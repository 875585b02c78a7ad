package dev.longtake.worker.engine.program;

import dev.longtake.common.checkpoint.Checkpoint;
import dev.longtake.common.error.LongtakeException;
import java.util.ArrayList;
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
    weights(program).forEach(spec -> require(checkpoint, spec));
  }

  /** Names of all weights that a program needs. */
  public static List<String> names(Program program) {
    return weights(program).stream().map(TensorSpec::name).toList();
  }

  /** Complaints about weights that are there, but have another shape or type than needed. */
  public static List<String> misfits(Program program, Checkpoint checkpoint) {
    List<String> misfits = new ArrayList<>();
    for (TensorSpec spec : weights(program)) {
      try {
        if (checkpoint.info(spec.name()).isPresent()) {
          require(checkpoint, spec);
        }
      } catch (LongtakeException e) {
        misfits.add(e.getMessage());
      }
    }
    return List.copyOf(misfits);
  }

  /** All weights with the shapes that they have in the checkpoint, each once. */
  public static List<TensorSpec> weights(Program program) {
    List<TensorSpec> weights = new ArrayList<>();
    for (LinearSpec spec : program.linears()) {
      weights.add(new TensorSpec(spec.layer() + ".weight", spec.shape()));
      weights.add(new TensorSpec(spec.layer() + ".bias", List.of(spec.outputColumns())));
    }
    weights.addAll(program.tensors());
    return List.copyOf(weights);
  }

  private static void require(Checkpoint checkpoint, TensorSpec spec) {
    checkpoint.requireFloat(
        spec.name(), spec.shape().stream().mapToLong(Integer::longValue).toArray());
  }
}
