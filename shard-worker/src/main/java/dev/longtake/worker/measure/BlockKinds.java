package dev.longtake.worker.measure;

import dev.longtake.v1.ModelProfile;
import dev.longtake.worker.engine.model.ModelDescription;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** Blocks of one kind take the same time, so one of each stands for all. */
final class BlockKinds {
  private BlockKinds() {}

  /** Indices of the first blocks of their kind. */
  static List<Integer> firsts(ModelProfile profile) {
    Set<String> seen = new HashSet<>();
    List<Integer> firsts = new ArrayList<>();
    for (int i = 0; i < profile.getBlocksCount(); i++) {
      if (seen.add(profile.getBlocks(i).getKind())) {
        firsts.add(i);
      }
    }
    return firsts;
  }

  /** The model with these blocks alone. */
  static ModelDescription firstsOnly(ModelDescription model, ModelProfile profile) {
    return model.withBlocks(firsts(profile).stream().map(model.blocks()::get).toList());
  }
}
