package dev.longtake.worker.engine.loading;

import java.util.OptionalInt;

/** The configurations of diffusers' classes from shapes, under its own keys. */
final class DiffusersConfigs {
  private static final int XL_CHANNELS = 1152;
  private static final String PATCHES = "pos_embed.proj.weight";

  /** Latents of a side that the published PixArt with size conditions was trained at, and its positions' scale. */
  private static final int SIZED_PIXART_SIDE = 128;

  private static final int SIZED_PIXART_SCALE = 2;

  /** The same of the published Latte. */
  private static final int LATTE_SIDE = 64;

  private final Shapes shapes;
  private final DerivedConfig config;

  DiffusersConfigs(Shapes shapes, DerivedConfig config) {
    this.shapes = shapes;
    this.config = config;
  }

  void derive(Family family) {
    int channels = shapes.size(PATCHES, 0);
    int patch = shapes.size(PATCHES, 2);
    String last = family == Family.DIFFUSERS_DIT ? "proj_out_2.weight" : "proj_out.weight";
    config
        .set("in_channels", shapes.size(PATCHES, 1))
        .set("out_channels", shapes.size(last, 0) / patch / patch)
        .set("num_layers", shapes.blocks("transformer_blocks"))
        .set("patch_size", patch);
    config.heads("num_attention_heads", channels, OptionalInt.empty());
    config.headWidth("attention_head_dim", channels, "num_attention_heads");
    switch (family) {
      case DIFFUSERS_DIT -> {
        String table = "transformer_blocks.0.norm1.emb.class_embedder.embedding_table.weight";
        config
            .set("_class_name", "DiTTransformer2DModel")
            .set("num_embeds_ada_norm", shapes.size(table, 0) - 1)
            .unknown("sample_size");
      }
      case DIFFUSERS_PIXART -> pixart();
      default -> latte(channels);
    }
  }

  private void pixart() {
    boolean sizes = shapes.has("adaln_single.emb.resolution_embedder.linear_1.weight");
    caption();
    config.set("_class_name", "PixArtTransformer2DModel").set("use_additional_conditions", sizes);
    if (sizes) {
      config.set("sample_size", SIZED_PIXART_SIDE).set("interpolation_scale", SIZED_PIXART_SCALE);
    } else {
      config.unknown("sample_size").unknown("interpolation_scale");
    }
  }

  private void latte(int channels) {
    caption();
    config.set(
        "_class_name",
        shapes.has("caption_projection.y_embedding") ? "LatteT2V" : "LatteTransformer3DModel");
    if (channels == XL_CHANNELS) {
      config.set("sample_size", LATTE_SIDE);
    } else {
      config.unknown("sample_size");
    }
  }

  private void caption() {
    config.set("caption_channels", shapes.size("caption_projection.linear_1.weight", 1));
  }
}
