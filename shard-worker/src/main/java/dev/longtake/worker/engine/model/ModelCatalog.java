package dev.longtake.worker.engine.model;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.model.DitConfig;
import java.util.List;

/** The architectures this build runs. */
public final class ModelCatalog {
  /** As checkpoints' configurations name them. */
  public static final List<String> ARCHITECTURES = List.of("STDiT3");

  private ModelCatalog() {}

  /**
   * The description of the model a configuration names.
   *
   * @throws LongtakeException INVALID_MODEL when the architecture is unknown or a value is missing or impossible
   */
  public static ModelDescription describe(DitConfig config) {
    return switch (config.architecture()) {
      case "STDiT3" -> Stdit3.describe(config);
      default ->
          throw new LongtakeException(
              ErrorCode.INVALID_MODEL,
              "Expected one of the architectures %s, but %s says '%s'"
                  .formatted(ARCHITECTURES, config.file(), config.architecture()));
    };
  }
}
