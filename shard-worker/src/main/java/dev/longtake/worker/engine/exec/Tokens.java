package dev.longtake.worker.engine.exec;

import dev.longtake.common.partition.Range;
import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.DeviceBuffer;
import dev.longtake.worker.device.Kernels;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.engine.model.Stream;
import org.jspecify.annotations.Nullable;

/**
 * What instructions on tokens work on: all tokens that the rank holds, or a piece of them, and the memory of their values.
 *
 * @param kernels that compute
 * @param residual [tokens, C] F32
 * @param prediction [patches, patch volume * output channels] F32; null on all stages but the last
 */
record Tokens(
    Kernels kernels,
    TokenLayout layout,
    Matrix residual,
    @Nullable Matrix prediction,
    Memory memory) {
  /**
   * Of values that live between two instructions.
   *
   * @param hidden null where the program has no such value
   * @param hiddenColumns of that value
   */
  record Memory(
      DeviceBuffer narrow, DeviceBuffer wide, @Nullable DeviceBuffer hidden, int hiddenColumns) {}

  /** For instructions that don't make it. */
  Tokens withoutPrediction() {
    return new Tokens(kernels, layout, residual, /* prediction= */ null, memory);
  }

  /** {@link dev.longtake.worker.engine.program.Value#NARROW}. */
  Matrix narrow(DType type) {
    return Matrix.dense(memory.narrow(), layout.rows(), residual.columns(), type);
  }

  /** {@link dev.longtake.worker.engine.program.Value#WIDE} of so many columns. */
  Matrix wide(int columns, DType type) {
    return Matrix.dense(memory.wide(), layout.rows(), columns, type);
  }

  /** {@link dev.longtake.worker.engine.program.Value#HIDDEN}. */
  Matrix hidden(DType type) {
    if (memory.hidden() == null) {
      throw new IllegalStateException("Expected a program that writes 'hidden'");
    }
    return Matrix.dense(memory.hidden(), layout.rows(), memory.hiddenColumns(), type);
  }

  /** Where the final layer writes. */
  Matrix requiredPrediction() {
    if (prediction == null) {
      throw new IllegalStateException("Expected the last stage to make the prediction");
    }
    return prediction;
  }

  /** The rows of a stream of a value that has all rows. */
  Matrix rows(Matrix all, Stream stream) {
    Range range = layout.rows(stream);
    return all.rows(range.start(), range.end());
  }
}
