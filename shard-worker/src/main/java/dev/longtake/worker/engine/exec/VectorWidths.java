package dev.longtake.worker.engine.exec;

import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.model.VectorOp;

/** How many columns a modulating vector has. */
final class VectorWidths {
  private VectorWidths() {}

  static int columns(ModelDescription model, String vector) {
    VectorOp op =
        model.vectors().stream()
            .filter(candidate -> candidate.output().equals(vector))
            .findFirst()
            .orElseThrow(() -> new IllegalStateException("Expected a vector '" + vector + "'"));
    return switch (op) {
      case VectorOp.Sinusoid sinusoid -> sinusoid.columns();
      case VectorOp.Sum sum -> columns(model, sum.left());
      case VectorOp.WhereMasked choice -> columns(model, choice.ordinary());
      case VectorOp.Concat concat ->
          concat.parts().stream().mapToInt(part -> columns(model, part)).sum();
      case VectorOp.SiluLinear linear -> linear.rows() * model.channels();
      case VectorOp.ClassEmbedding _, VectorOp.PooledText _ -> model.channels();
    };
  }
}
