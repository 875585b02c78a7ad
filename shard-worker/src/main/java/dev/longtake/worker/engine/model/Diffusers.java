package dev.longtake.worker.engine.model;

import com.google.gson.JsonObject;
import dev.longtake.common.model.DitConfig;
import dev.longtake.worker.engine.model.Modulation.Source;
import dev.longtake.worker.engine.model.VectorOp.Scalar;
import dev.longtake.worker.engine.model.VectorOp.Sinusoid;
import java.util.ArrayList;
import java.util.List;

/**
 * The models that diffusers has classes of its own for (huggingface/diffusers, {@code models/transformers}): DiT, PixArt and Latte.
 * Their configurations are translated into the originals' keys; what they compute differs in a few places, and then diffusers'
 * own results count.
 */
final class Diffusers {
  /** The feed-forward layer is this many times as wide as the model. */
  private static final double MLP_RATIO = 4;

  /** T5 tokens that the published PixArt-Sigma and Latte take at most. */
  private static final int MAX_TEXT_TOKENS = 300;

  private static final int DIT_ROWS = 6;

  private Diffusers() {}

  /**
   * {@code DiTTransformer2DModel}: every block has embedders of its own; the final layer uses the first block's. Its norm before the
   * MLP adds 1e-5 to the variance where the original and this description add 1e-6, which changes results by 4e-6 of their size.
   */
  static ModelDescription dit(DitConfig config) {
    Sizes sizes = sizes(config, "gelu-approximate", "ada_norm_zero");
    int classes = config.intOr("num_embeds_ada_norm", 1000);
    List<VectorOp> vectors = new ArrayList<>();
    List<Block> blocks = new ArrayList<>();
    for (int i = 0; i < sizes.depth(); i++) {
      String name = "blocks." + i;
      String prefix = i == 0 ? "" : name + ".";
      vectors.add(
          new Sinusoid(
              prefix + "t_emb",
              Scalar.TIMESTEP,
              1,
              name + ".t_embedder.mlp.0",
              name + ".t_embedder.mlp.2",
              sizes.channels(),
              /* lastFrequencyReached= */ true));
      vectors.add(
          new VectorOp.ClassEmbedding(
              prefix + "y_emb", name + ".y_embedder.embedding_table.weight", classes));
      vectors.add(new VectorOp.Sum(prefix + "cond", prefix + "t_emb", prefix + "y_emb"));
      vectors.add(
          new VectorOp.SiluLinear(
              name + ".modulation", prefix + "cond", name + ".adaLN_modulation.1", DIT_ROWS));
      Modulation modulation = Dit.attentionModulation(name);
      blocks.add(
          new Block(
              name,
              List.of(
                  PixArtBlocks.attention(
                      "attn", Axis.FULL, modulation, QkNorm.NONE, /* rotary= */ false),
                  Dit.mlp(Stream.PATCHES, name, sizes.hidden()))));
    }
    vectors.add(
        new VectorOp.SiluLinear(
            "final_layer.modulation", "cond", "final_layer.adaLN_modulation.1", 2));
    return new ModelDescription(
        config.architecture(),
        sizes.channels(),
        sizes.heads(),
        sizes.latentChannels(),
        sizes.outputChannels(),
        PixArtBlocks.imagePatches(sizes),
        List.of(grid(sizes, 1)),
        /* rotary= */ null,
        1e-6f,
        1e-6f,
        vectors,
        /* text= */ null,
        /* pooledText= */ null,
        blocks,
        Dit.finalLayer());
  }

  /** {@code PixArtTransformer2DModel}. */
  static ModelDescription pixart(DitConfig config) {
    Sizes sizes = sizes(config, "gelu-approximate", "ada_norm_single");
    int sampleSize = config.intOr("sample_size", 128);
    double scale =
        config.has("interpolation_scale")
            ? config.requireDouble("interpolation_scale")
            : scale(sampleSize);
    return Pixart.describe(
        sizes,
        PixArtBlocks.imagePatches(sizes),
        List.of(grid(sizes, scale)),
        config.booleanOr("use_additional_conditions", sampleSize == 128),
        text(config));
  }

  /** {@code LatteTransformer3DModel} and the original's {@code LatteT2V}: in turn a PixArt block and one across frames. */
  static ModelDescription latte(DitConfig config) {
    Sizes sizes = sizes(config, "gelu-approximate", "ada_norm_single");
    ModelDescription images =
        Pixart.describe(
            sizes,
            PixArtBlocks.imagePatches(sizes),
            List.of(grid(sizes, scale(config.intOr("sample_size", 64)))),
            /* sizeConditions= */ false,
            text(config));
    List<Block> blocks = new ArrayList<>();
    for (int i = 0; i < sizes.depth(); i++) {
      blocks.add(images.blocks().get(i));
      blocks.add(temporalBlock(i, sizes.hidden()));
    }
    return images.withBlocks(blocks);
  }

  private static Block temporalBlock(int index, int hidden) {
    String name = "temporal_blocks." + index;
    Source table = PixArtBlocks.table(name, Pixart.BLOCK_VECTOR);
    List<Op> ops = new ArrayList<>();
    if (index == 0) {
      ops.add(new Op.AddPosition(new Position.Frames(1, /* ofImages= */ false)));
    }
    ops.add(
        PixArtBlocks.attention(
            "attn", Axis.TEMPORAL, new Modulation(table, 0), QkNorm.NONE, /* rotary= */ false));
    ops.add(PixArtBlocks.mlp(table, hidden));
    return new Block(name, ops);
  }

  /** Models of larger pictures count positions in units of 64 latents. */
  private static int scale(int sampleSize) {
    return Math.max(sampleSize / 64, 1);
  }

  private static Position grid(Sizes sizes, double scale) {
    int sampleSize = sizes.config().intOr("input_size", 64);
    return new Position.Grid(
        scale, 0, new Position.Base.Fixed(Math.floorDiv(sampleSize, sizes.imagePatch().height())));
  }

  private static TextInput text(DitConfig config) {
    return new TextInput(
        config.requireInt("caption_channels"),
        config.intOr("model_max_length", MAX_TEXT_TOKENS),
        new NullText.Encoded(),
        List.of("y_embedder.y_proj.fc1", "y_embedder.y_proj.fc2"));
  }

  /** The sizes under the originals' keys, after a look at what these models could be but aren't. */
  private static Sizes sizes(DitConfig config, String activation, String norm) {
    Sizes.require(
        config.string("activation_fn").orElse(activation).equals(activation)
            && config.string("norm_type").orElse(norm).equals(norm)
            && config.booleanOr("attention_bias", true),
        config,
        "activation_fn %s, norm_type %s and attention_bias true, but got %s, %s and %s"
            .formatted(
                activation,
                norm,
                config.string("activation_fn").orElse(activation),
                config.string("norm_type").orElse(norm),
                config.booleanOr("attention_bias", true)));
    int heads = config.requireInt("num_attention_heads");
    int channels = config.intOr("in_channels", 4);
    JsonObject keys = new JsonObject();
    keys.addProperty("model_type", config.architecture());
    keys.addProperty("hidden_size", heads * config.requireInt("attention_head_dim"));
    keys.addProperty("num_heads", heads);
    keys.addProperty("depth", config.requireInt("num_layers"));
    keys.addProperty("mlp_ratio", MLP_RATIO);
    keys.addProperty("in_channels", channels);
    keys.addProperty("pred_sigma", config.intOr("out_channels", channels) == 2 * channels);
    keys.addProperty("patch_size", config.intOr("patch_size", 2));
    keys.addProperty("input_size", config.intOr("sample_size", 64));
    return Sizes.read(DitConfig.of(config.file(), keys), "pred_sigma");
  }
}
