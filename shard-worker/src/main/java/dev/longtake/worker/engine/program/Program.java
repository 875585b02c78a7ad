package dev.longtake.worker.engine.program;

import dev.longtake.common.tensor.DType;
import dev.longtake.worker.engine.model.ModelDescription;
import java.util.List;

/**
 * What one rank runs.
 *
 * @param condition once per job: all that depends on neither latents nor timestep
 * @param step once per denoising step
 * @param linears layers that must be loaded
 * @param tensors other weights that must be loaded
 */
public record Program(
    ModelDescription model,
    List<Instruction> condition,
    List<Instruction> step,
    List<LinearSpec> linears,
    List<TensorSpec> tensors) {
  public Program {
    condition = List.copyOf(condition);
    step = List.copyOf(step);
    linears = List.copyOf(linears);
    tensors = List.copyOf(tensors);
  }

  /** Compiles a model for a gang of {@code sequenceRanks} workers; every rank runs the same program. */
  public static Program compile(ModelDescription model, int sequenceRanks) {
    Lowering lowering = new Lowering(model, sequenceRanks);
    List<Instruction> all = lowering.lower(ShardingPass.apply(model.blocks(), sequenceRanks));
    Hoisting.Parts parts = Hoisting.split(all);
    return new Program(
        model, parts.condition(), parts.step(), lowering.linears(), lowering.tensors());
  }

  /**
   * Bytes of all its weights as a device holds them, without padding: the blocks' layers in {@code blockType}, everything else
   * in float32.
   */
  public long weightBytes(DType blockType) {
    long bytes = 0;
    for (LinearSpec linear : linears) {
      long outputs = linear.outputColumns();
      bytes += outputs * linear.inputColumns() * linear.type(blockType).sizeBytes();
      bytes += outputs * DType.F32.sizeBytes();
    }
    for (TensorSpec tensor : tensors) {
      bytes += tensor.elements() * DType.F32.sizeBytes();
    }
    return bytes;
  }
}
