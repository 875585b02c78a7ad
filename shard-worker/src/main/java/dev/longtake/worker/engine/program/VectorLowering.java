package dev.longtake.worker.engine.program;

import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.model.NullText;
import dev.longtake.worker.engine.model.PooledInput;
import dev.longtake.worker.engine.model.VectorOp;
import java.util.List;

/** The instructions that make modulating vectors, and their weights. */
final class VectorLowering {
  private final ModelDescription model;
  private final WeightList weights;
  private final List<Instruction> program;

  VectorLowering(ModelDescription model, WeightList weights, List<Instruction> program) {
    this.model = model;
    this.weights = weights;
    this.program = program;
  }

  /**
   * Lowers what makes some vectors.
   *
   * @param needed of the model's, in their order
   */
  void lower(List<VectorOp> needed) {
    needed.forEach(this::lower);
  }

  private void lower(VectorOp op) {
    int channels = model.channels();
    switch (op) {
      case VectorOp.Sinusoid sinusoid -> {
        weights.exact(sinusoid.first(), sinusoid.columns(), VectorOp.Sinusoid.TABLE_COLUMNS);
        weights.exact(sinusoid.second(), sinusoid.columns(), sinusoid.columns());
      }
      case VectorOp.SiluLinear linear ->
          weights.exact(linear.layer(), linear.rows() * channels, channels);
      case VectorOp.ClassEmbedding labels ->
          weights.tensor(labels.table(), labels.classes() + 1, channels);
      case VectorOp.PooledText text -> {
        PooledInput pooled = pooled();
        if (pooled.nullText() instanceof NullText.Stored(String tensor)) {
          weights.tensor(tensor, 1, pooled.channels());
        }
        int inputs = pooled.channels();
        for (String layer : text.layers()) {
          weights.exact(layer, channels, inputs);
          inputs = channels;
        }
      }
      case VectorOp.Sum _, VectorOp.Concat _, VectorOp.WhereMasked _ -> {}
    }
    program.add(new Instruction.ComputeVector(op));
  }

  private PooledInput pooled() {
    PooledInput pooled = model.pooledText();
    if (pooled == null) {
      throw new IllegalStateException("Expected a pooled text in " + model.architecture());
    }
    return pooled;
  }
}
