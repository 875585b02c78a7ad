package dev.longtake.worker.engine.loading;

import dev.longtake.common.checkpoint.Checkpoint;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.error.Quoted;
import dev.longtake.common.model.DitConfig;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;

/** Which model weights belong to, from their names and shapes. */
final class Recognition {
  /** Less in common with a family says nothing. */
  private static final double LEAST_SHARE = 0.3;

  private Recognition() {}

  /**
   * The configuration itself, or, where there is none, one that the tensors tell.
   *
   * @throws LongtakeException INVALID_CHECKPOINT when they are of no known family, INVALID_MODEL when a configuration is needed
   *     all the same
   */
  static DitConfig complete(DitConfig config, Checkpoint checkpoint) {
    if (!config.isAbsent()) {
      requireBlocks(config, checkpoint);
      return config;
    }
    Family family = Family.of(checkpoint.names()).orElseThrow(() -> unknown(checkpoint));
    return FamilyConfigs.derive(family, new Shapes(checkpoint)).config(config.file());
  }

  /** More blocks than tensors can't be, and are not worth the memory of their description. */
  private static void requireBlocks(DitConfig config, Checkpoint checkpoint) {
    for (String key : List.of("depth", "num_layers", "depth_single_blocks")) {
      int blocks = config.intOr(key, 0);
      if (blocks > checkpoint.names().size()) {
        throw new LongtakeException(
            ErrorCode.INVALID_MODEL,
            "Expected at most as many blocks as %s has tensors, %d, but %s says %s %d; correct it"
                .formatted(
                    checkpoint.location(),
                    checkpoint.names().size(),
                    config.file(),
                    Quoted.of(key),
                    blocks));
      }
    }
  }

  private static LongtakeException unknown(Checkpoint checkpoint) {
    Set<String> names = checkpoint.names();
    Family nearest = Family.nearest(names);
    String found =
        nearest.share(names) < LEAST_SHARE
            ? "its tensors (%s) are of none"
                .formatted(
                    names.stream().limit(3).map(Quoted::of).collect(Collectors.joining(", ")))
            : "it comes closest to %s and has no %s"
                .formatted(
                    nearest.title(),
                    nearest.missing(names).stream()
                        .map(Quoted::of)
                        .collect(Collectors.joining(", ")));
    return new LongtakeException(
        ErrorCode.INVALID_CHECKPOINT,
        "Expected the tensors of a known family in %s, but %s; put the model's config.json beside it, or use another file"
            .formatted(checkpoint.location(), found));
  }
}
