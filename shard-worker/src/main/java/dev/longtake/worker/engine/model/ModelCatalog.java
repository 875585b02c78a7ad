package dev.longtake.worker.engine.model;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.model.DitConfig;
import java.util.List;

/** The architectures this build runs. */
public final class ModelCatalog {
  /** As checkpoints' configurations name them. */
  public static final List<String> ARCHITECTURES =
      List.of(
          "DiT",
          "Latte",
          "PixArt",
          "PixArtMS",
          "PixArt_Sigma",
          "PixArtMS_Sigma",
          "STDiT",
          "STDiT2",
          "STDiT3",
          "MMDiTModel");

  private ModelCatalog() {}

  /**
   * The description of the model a configuration names.
   *
   * @throws LongtakeException INVALID_MODEL when the architecture is unknown or a value is missing or impossible
   */
  public static ModelDescription describe(DitConfig config) {
    return switch (config.architecture()) {
      case "DiT" -> dit(config);
      case "Latte" -> Dit.video(config);
      case "PixArt", "PixArtMS", "PixArt_Sigma", "PixArtMS_Sigma" -> Pixart.describe(config);
      case "STDiT" -> Stdit1.describe(config);
      case "STDiT2" -> Stdit2.describe(config);
      case "STDiT3" -> Stdit3.describe(config);
      case "MMDiTModel" -> Mmdit.describe(config);
      default ->
          throw new LongtakeException(
              ErrorCode.INVALID_MODEL,
              "Expected one of the architectures %s, but %s says '%s'"
                  .formatted(ARCHITECTURES, config.file(), config.architecture()));
    };
  }

  /** Three generations of models are called DiT; their configurations differ. */
  private static ModelDescription dit(DitConfig config) {
    if (config.has("text_embed_dim")) {
      return March.describe(config);
    }
    return config.has("condition") ? Dit.video(config) : Dit.image(config);
  }
}
