package dev.longtake.worker.engine.model;

import dev.longtake.common.checkpoint.WeightNames;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.model.DitConfig;
import java.util.List;
import java.util.Set;

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
          "MMDiTModel",
          "DiTTransformer2DModel",
          "PixArtTransformer2DModel",
          "LatteTransformer3DModel",
          "LatteT2V");

  private ModelCatalog() {}

  /**
   * The model a configuration names, in the layout that the checkpoint's tensors show.
   *
   * @param tensors names of the checkpoint's tensors
   * @throws LongtakeException INVALID_MODEL when the architecture is unknown or a value is missing or impossible
   */
  public static CatalogModel describe(DitConfig config, Set<String> tensors) {
    WeightNames asTheyAre = _ -> List.of();
    return switch (config.architecture()) {
      case "DiT" -> dit(config);
      case "Latte" ->
          new CatalogModel(
              config.isInt("patch_size") ? Dit.latte(config) : Dit.video(config), asTheyAre);
      case "PixArt", "PixArtMS", "PixArt_Sigma", "PixArtMS_Sigma" ->
          new CatalogModel(Pixart.describe(config), asTheyAre);
      case "STDiT" -> new CatalogModel(Stdit1.describe(config), asTheyAre);
      case "STDiT2" -> new CatalogModel(Stdit2.describe(config), asTheyAre);
      case "STDiT3" -> new CatalogModel(Stdit3.describe(config), asTheyAre);
      case "MMDiTModel" -> new CatalogModel(Mmdit.describe(config), Layouts.mmdit(config, tensors));
      case "DiTTransformer2DModel" ->
          new CatalogModel(Diffusers.dit(config), Layouts.diffusers("proj_out_2"));
      case "PixArtTransformer2DModel" ->
          new CatalogModel(Diffusers.pixart(config), Layouts.diffusers("proj_out"));
      case "LatteTransformer3DModel", "LatteT2V" ->
          new CatalogModel(Diffusers.latte(config), Layouts.diffusers("proj_out"));
      default ->
          throw new LongtakeException(
              ErrorCode.INVALID_MODEL,
              "Expected one of the architectures %s, but %s says '%s'"
                  .formatted(ARCHITECTURES, config.file(), config.architecture()));
    };
  }

  /** Three generations of models are called DiT; their configurations differ. */
  private static CatalogModel dit(DitConfig config) {
    if (config.has("text_embed_dim")) {
      return new CatalogModel(March.describe(config), Layouts.march());
    }
    return new CatalogModel(
        config.has("condition") ? Dit.video(config) : Dit.image(config), _ -> List.of());
  }
}
