package dev.longtake.common.checkpoint;

import java.util.List;

/**
 * Where a checkpoint of another layout keeps the tensors that a model asks for. Layouts of one model differ in names, and
 * in whether layers that read the same input (query, key and value) are stored as one.
 */
@FunctionalInterface
public interface WeightNames {
  /**
   * The parts of the file's tensors that make up one of the model's, in order along the first axis.
   *
   * @param name as the model asks for it
   * @return empty when the file has the tensor under the same name
   */
  List<Piece> pieces(String name);
}
