package dev.longtake.worker.engine.model;

import dev.longtake.common.checkpoint.Checkpoint;
import dev.longtake.common.checkpoint.MappedCheckpoint;
import dev.longtake.common.checkpoint.WeightNames;

/**
 * A model and where a checkpoint keeps its weights.
 *
 * @param names from the description's names to the file's
 */
public record CatalogModel(ModelDescription description, WeightNames names) {
  /** The file's tensors under the names that the description uses. */
  public Checkpoint weights(Checkpoint file) {
    return MappedCheckpoint.of(file, names);
  }
}
