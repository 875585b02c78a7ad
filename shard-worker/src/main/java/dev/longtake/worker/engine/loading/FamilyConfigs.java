package dev.longtake.worker.engine.loading;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import java.util.List;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.stream.IntStream;

/**
 * The configuration of each family from its tensors' shapes, under the original's keys. What only the published models settle
 * (resolution scales, axes) is taken from them where the width is theirs, and is else a key that must be given.
 */
final class FamilyConfigs {
  /** DiT-XL, whose sizes PixArt, Latte and STDiT took over. */
  private static final int XL_CHANNELS = 1152;

  /** The MMDiT of Open-Sora 2.0. */
  private static final int MMDIT_CHANNELS = 3072;

  private static final List<Integer> MMDIT_AXES = List.of(16, 56, 56);

  /** Pixels of a side that STDiT2 and 3 were published with. */
  private static final int INPUT_SQUARE_PIXELS = 512;

  private static final String PATCHES = "x_embedder.proj.weight";
  private static final String FINAL = "final_layer.linear.weight";
  private static final String POSITIONS = "pos_embed";
  private static final String FRAME_POSITIONS = "pos_embed_temporal";

  private final Shapes shapes;
  private final DerivedConfig config;

  private FamilyConfigs(Family family, Shapes shapes) {
    this.shapes = shapes;
    this.config = new DerivedConfig(family);
  }

  static DerivedConfig derive(Family family, Shapes shapes) {
    FamilyConfigs derived = new FamilyConfigs(family, shapes);
    switch (family) {
      case MMDIT -> derived.mmdit();
      case STDIT3 -> derived.stdit("STDiT3", "spatial_blocks");
      case STDIT2 -> derived.stdit("STDiT2", "blocks");
      case STDIT1 -> derived.stdit1();
      case PIXART -> derived.pixart();
      case MARCH -> derived.march();
      case DIT -> derived.dit();
      case DIFFUSERS_DIT, DIFFUSERS_PIXART, DIFFUSERS_LATTE ->
          new DiffusersConfigs(shapes, derived.config).derive(family);
    }
    return derived.config;
  }

  /**
   * The sizes that all originals have.
   *
   * @param patches the layer that embeds them
   * @param blocks the kind that is counted
   * @param sigma the key of the learned variance
   * @return the width
   */
  private int common(String patches, String blocks, String sigma) {
    int channels = shapes.size(patches, 0);
    int latents = shapes.size(patches, 1);
    config
        .set("hidden_size", channels)
        .set("depth", shapes.blocks(blocks))
        .set("in_channels", latents);
    config.mlpRatio(shapes.size(blocks + ".0.mlp.fc1.weight", 0), channels);
    config.set(sigma, outputs(volume(patches)) == 2 * latents);
    config.heads("num_heads", channels, headWidth(blocks + ".0.attn.q_norm.weight", channels));
    if (shapes.axes(patches) == 5) {
      JsonArray patch = new JsonArray();
      for (int axis = 2; axis < 5; axis++) {
        patch.add(shapes.size(patches, axis));
      }
      config.set("patch_size", patch);
    } else {
      config.set("patch_size", shapes.size(patches, 2));
    }
    return channels;
  }

  private int volume(String patches) {
    int volume = 1;
    for (int axis = 2; axis < shapes.axes(patches); axis++) {
      volume = Math.multiplyExact(volume, shapes.size(patches, axis));
    }
    return volume;
  }

  private int outputs(int patchVolume) {
    return shapes.size(FINAL, 0) / patchVolume;
  }

  /** A norm of the whole width (PixArt-Sigma's own) tells nothing of heads. */
  private OptionalInt headWidth(String norm, int channels) {
    return shapes.has(norm) && shapes.size(norm, 0) < channels
        ? OptionalInt.of(shapes.size(norm, 0))
        : OptionalInt.empty();
  }

  private void caption() {
    config
        .set("caption_channels", shapes.size("y_embedder.y_proj.fc1.weight", 1))
        .set("model_max_length", shapes.size("y_embedder.y_embedding", 0));
  }

  private void stdit(String architecture, String blocks) {
    config.set("model_type", architecture);
    int channels = common(PATCHES, blocks, "pred_sigma");
    caption();
    config.set("qk_norm", shapes.has(blocks + ".0.attn.q_norm.weight"));
    if (channels == XL_CHANNELS) {
      config.set("input_sq_size", INPUT_SQUARE_PIXELS);
    } else {
      config.unknown("input_sq_size");
    }
  }

  private void stdit1() {
    config.set("model_type", "STDiT");
    common(PATCHES, "blocks", "pred_sigma");
    caption();
    spaceScale("space_scale", /* stretched= */ false);
    timeScale();
  }

  private void pixart() {
    boolean reduces = !reducedBlocks().isEmpty();
    boolean norms = shapes.has("blocks.0.attn.q_norm.weight");
    boolean sizes = shapes.has("csize_embedder.mlp.0.weight");
    config.set("model_type", sizes ? "PixArtMS" : reduces || norms ? "PixArt_Sigma" : "PixArt");
    common(PATCHES, "blocks", "pred_sigma");
    caption();
    config.set("qk_norm", norms);
    if (reduces) {
      JsonArray layers = new JsonArray();
      reducedBlocks().forEach(layers::add);
      JsonObject reduction = new JsonObject();
      reduction.addProperty("sampling", "conv");
      reduction.addProperty(
          "scale_factor",
          shapes.size("blocks." + reducedBlocks().getFirst() + ".attn.sr.weight", 2));
      reduction.add("kv_compress_layer", layers);
      config.set("kv_compress_config", reduction);
    }
    if (shapes.axes(PATCHES) == 5) {
      spaceScale("space_scale", /* stretched= */ true);
      timeScale();
    } else {
      inputSize();
      spaceScale("pe_interpolation", /* stretched= */ false);
    }
  }

  private List<Integer> reducedBlocks() {
    return IntStream.range(0, shapes.blocks("blocks"))
        .filter(block -> shapes.has("blocks." + block + ".attn.sr.weight"))
        .boxed()
        .toList();
  }

  /** The stored table is of the square that the model was trained at. */
  private void inputSize() {
    OptionalInt side =
        shapes.has(POSITIONS)
            ? StoredPositions.squareSide(shapes.size(POSITIONS, 1))
            : OptionalInt.empty();
    if (side.isPresent()) {
      config.set("input_size", side.getAsInt() * shapes.size(PATCHES, 2));
    } else {
      config.unknown("input_size");
    }
  }

  private void spaceScale(String key, boolean stretched) {
    scale(key, StoredPositions.spaceScale(shapes.checkpoint(), POSITIONS, stretched));
  }

  /** A table of one frame has no scale, and needs none. */
  private void timeScale() {
    boolean oneFrame = shapes.has(FRAME_POSITIONS) && shapes.size(FRAME_POSITIONS, 1) == 1;
    scale(
        "time_scale",
        oneFrame
            ? OptionalDouble.of(1)
            : StoredPositions.timeScale(shapes.checkpoint(), FRAME_POSITIONS));
  }

  private void scale(String key, OptionalDouble scale) {
    if (scale.isPresent()) {
      config.set(key, scale.getAsDouble());
    } else {
      config.unknown(key);
    }
  }

  private void march() {
    String patches = "video_embedder.proj.weight";
    boolean projectsText = shapes.has("text_embedder.proj.weight");
    config.set("model_type", "DiT");
    common(patches, "blocks", "learn_sigma");
    if (projectsText) {
      config.set("text_embed_dim", shapes.size("text_embedder.proj.weight", 1));
      // Pooled or as tokens: the weights are the same.
      config.unknown("model_arch (adaln or token-concat)");
    } else {
      config
          .set("text_embed_dim", shapes.size("blocks.0.attn.to_k.weight", 1))
          .set("model_arch", "cross-attn");
    }
  }

  private void dit() {
    boolean labels = shapes.has("y_embedder.embedding_table.weight");
    boolean captions = shapes.has("y_embedder.y_proj.fc1.weight");
    if (!labels && !captions) {
      throw new LongtakeException(
          ErrorCode.INVALID_CHECKPOINT,
          "Expected a class or caption embedder (y_embedder) in %s, but there is none; models without conditions are not supported"
              .formatted(shapes.checkpoint().location()));
    }
    // The table's last row is the null class.
    int classes = labels ? shapes.size("y_embedder.embedding_table.weight", 0) - 1 : 0;
    if (shapes.axes(PATCHES) == 5) {
      // Both of Open-Sora's classes have the same weights.
      config.unknown("model_type (DiT or Latte)");
      config.set("condition", labels ? "label_" + classes : "text");
      config.set("no_temporal_pos_emb", !shapes.has(FRAME_POSITIONS));
      if (captions) {
        config.set("caption_channels", shapes.size("y_embedder.y_proj.fc1.weight", 1));
      }
    } else {
      config.set("model_type", shapes.has("temp_embed") ? "Latte" : "DiT");
      config.set("num_classes", classes);
    }
    common(PATCHES, "blocks", "learn_sigma");
  }

  private void mmdit() {
    String patches = "img_in.weight";
    int channels = shapes.size(patches, 0);
    int packed = shapes.size(patches, 1);
    boolean published = channels == MMDIT_CHANNELS;
    boolean fused = shapes.has("double_blocks.0.img_attn.qkv.weight");
    boolean references = shapes.has("cond_in.weight");
    config
        .set("model_type", "MMDiTModel")
        .set("hidden_size", channels)
        .set("in_channels", packed)
        .set("depth", shapes.blocks("double_blocks"))
        .set("depth_single_blocks", shapes.blocks("single_blocks"))
        .set("context_in_dim", shapes.size("txt_in.weight", 1))
        .set("vec_in_dim", shapes.size("vector_in.in_layer.weight", 1))
        .set("guidance_embed", shapes.has("guidance_in.in_layer.weight"))
        .set("cond_embed", references)
        .set("fused_qkv", fused)
        // As published: the layout with q, k and v apart comes with the other order of pairs.
        .set("use_liger_rope", !fused);
    config.mlpRatio(shapes.size("double_blocks.0.img_mlp.0.weight", 0), channels);
    config.heads(
        "num_heads",
        channels,
        headWidth("double_blocks.0.img_attn.norm.query_norm.scale", channels));
    // A mask of one channel comes with the reference latents, so its values are those of a patch.
    OptionalInt side =
        references
            ? StoredPositions.squareSide(shapes.size("cond_in.weight", 1) - packed)
            : published ? OptionalInt.of(2) : OptionalInt.empty();
    if (side.isPresent()) {
      config.set("patch_size", side.getAsInt());
    } else {
      config.unknown("patch_size");
    }
    if (published) {
      JsonArray axes = new JsonArray();
      MMDIT_AXES.forEach(axes::add);
      config.set("axes_dim", axes).set("theta", 10_000);
    } else {
      config.unknown("axes_dim").unknown("theta");
    }
  }
}
