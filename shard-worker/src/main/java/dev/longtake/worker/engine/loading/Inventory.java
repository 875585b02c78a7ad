package dev.longtake.worker.engine.loading;

import dev.longtake.common.checkpoint.Checkpoint;
import dev.longtake.common.checkpoint.MappedCheckpoint;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.error.Quoted;
import dev.longtake.common.model.DitConfig;
import dev.longtake.worker.engine.model.CatalogModel;
import dev.longtake.worker.engine.program.Program;
import dev.longtake.worker.engine.program.ProgramCheck;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.SortedSet;

/**
 * A checkpoint's tensors against what a model needs. Names are the file's.
 *
 * @param missing tensors that the file lacks
 * @param misfits one line for each weight of another shape or type than needed
 * @param notUsed known tensors that the model has no use for
 * @param unknown tensors that no model of this architecture has: most likely the weights are another model's
 */
public record Inventory(
    List<String> missing, List<String> misfits, List<LeftOver> notUsed, List<String> unknown) {
  public Inventory {
    missing = List.copyOf(missing);
    misfits = List.copyOf(misfits);
    notUsed = List.copyOf(notUsed);
    unknown = List.copyOf(unknown);
  }

  /** Compares names and shapes, and reads nothing else. */
  public static Inventory of(
      DitConfig config, CatalogModel model, Program program, Checkpoint file) {
    // Not closed: the file belongs to the caller.
    MappedCheckpoint weights = MappedCheckpoint.of(file, model.names());
    SortedSet<String> used = weights.tensorsOf(ProgramCheck.names(program));
    List<String> missing = used.stream().filter(name -> file.info(name).isEmpty()).toList();
    List<LeftOver> notUsed = new ArrayList<>();
    List<String> unknown = new ArrayList<>();
    for (String name : file.names()) {
      if (!used.contains(name)) {
        LeftOver.of(name, config).ifPresentOrElse(notUsed::add, () -> unknown.add(name));
      }
    }
    return new Inventory(missing, ProgramCheck.misfits(program, weights), notUsed, unknown);
  }

  /** Whether the model can be run with these weights. */
  public boolean isComplete() {
    return missing.isEmpty() && misfits.isEmpty() && unknown.isEmpty();
  }

  /**
   * Complains unless it is complete.
   *
   * @throws LongtakeException INVALID_MODEL when the tensors are another family's than the configuration's; INVALID_CHECKPOINT
   *     naming a tensor that is missing, of another shape, or unknown
   */
  void require(DitConfig config, CatalogModel model, Program program, Checkpoint file) {
    if (isComplete()) {
      return;
    }
    if (!missing.isEmpty() || !unknown.isEmpty()) {
      requireSameFamily(config, file.names());
    }
    ProgramCheck.require(program, model.weights(file));
    throw new LongtakeException(
        ErrorCode.INVALID_CHECKPOINT,
        "Expected only tensors of %s in %s, but it also has %s%s; use the checkpoint that belongs to the config"
            .formatted(
                model.description().architecture(),
                file.location(),
                Quoted.of(unknown.getFirst()),
                unknown.size() == 1 ? "" : " and %d more".formatted(unknown.size() - 1)));
  }

  private static void requireSameFamily(DitConfig config, Set<String> names) {
    Family.of(names)
        .filter(family -> !family.hasArchitecture(config.architecture()))
        .ifPresent(family -> {
          throw new LongtakeException(
              ErrorCode.INVALID_MODEL,
              "Expected the weights of %s as %s says, but their tensors are those of %s; use the config that belongs to the weights"
                  .formatted(Quoted.of(config.architecture()), config.file(), family.title()));
        });
  }
}
