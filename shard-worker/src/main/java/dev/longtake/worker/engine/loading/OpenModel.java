package dev.longtake.worker.engine.loading;

import dev.longtake.common.checkpoint.Checkpoint;
import dev.longtake.common.checkpoint.Checkpoints;
import dev.longtake.common.model.DitConfig;
import dev.longtake.common.model.ModelFolder;
import dev.longtake.worker.engine.model.CatalogModel;
import dev.longtake.worker.engine.model.ModelCatalog;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.program.Program;

/**
 * A diffusion transformer with its weights at hand, none of them read yet. Owns the open files.
 *
 * @param config the folder's, or where there is none, what the tensors tell
 * @param file the tensors under the file's own names
 */
public record OpenModel(DitConfig config, CatalogModel catalog, Checkpoint file)
    implements AutoCloseable {

  /**
   * Opens a model that can be run: every weight is there, with the right shape, and there is nothing besides that could mean that
   * the weights are another model's.
   *
   * @throws dev.longtake.common.error.LongtakeException INVALID_MODEL or INVALID_CHECKPOINT, naming file, and key or tensor
   */
  public static OpenModel open(ModelFolder folder) {
    OpenModel model = openUnchecked(folder);
    try {
      model.inventory().require(model.config, model.catalog, model.program(), model.file);
      return model;
    } catch (Throwable e) {
      model.close();
      throw e;
    }
  }

  /**
   * Opens a model whose weights need not be complete, to look at it.
   *
   * @throws dev.longtake.common.error.LongtakeException when files are damaged, or it can't be told which model they hold
   */
  public static OpenModel openUnchecked(ModelFolder folder) {
    Checkpoint file = Checkpoints.open(folder.ditWeights());
    try {
      DitConfig config = Recognition.complete(folder.dit(), file);
      return new OpenModel(config, ModelCatalog.describe(config, file.names()), file);
    } catch (Throwable e) {
      file.close();
      throw e;
    }
  }

  public ModelDescription description() {
    return catalog.description();
  }

  /** The tensors under the names that the description uses; closed with this model. */
  public Checkpoint weights() {
    return catalog.weights(file);
  }

  /** What is there, missing and left over. */
  public Inventory inventory() {
    return Inventory.of(config, catalog, program(), file);
  }

  /** Every rank of any gang needs the weights that a single one does. */
  private Program program() {
    return Program.compile(description(), /* sequenceRanks= */ 1);
  }

  @Override
  public void close() {
    file.close();
  }
}
