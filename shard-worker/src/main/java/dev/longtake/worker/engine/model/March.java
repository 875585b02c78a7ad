package dev.longtake.worker.engine.model;

import dev.longtake.common.model.DitConfig;
import dev.longtake.worker.device.Activation;
import dev.longtake.worker.device.PatchOrder;
import dev.longtake.worker.engine.model.VectorOp.Scalar;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The three models of Open-Sora's first release (hpcaitech/Open-Sora, March 2024, {@code open_sora/modeling/dit/dit.py}): a DiT
 * over the patches of clips of any size, conditioned on the text in one of three ways. {@code adaln} adds the pooled text to the
 * timestep; in {@code cross-attn} patches attend to the text and to nothing else; in {@code token-concat} text tokens stand
 * in front of the patches in one sequence.
 */
final class March {
  private static final String CONDITION = "cond";
  private static final int MAX_TEXT_TOKENS = 512;

  private March() {}

  /** How the text gets in. */
  private enum Architecture {
    ADALN,
    CROSS_ATTENTION,
    TOKEN_CONCAT
  }

  static ModelDescription describe(DitConfig config) {
    Sizes sizes = Sizes.read(config, "learn_sigma");
    Architecture architecture = architecture(config);
    PatchSize patch = sizes.imagePatch();
    int textChannels = config.requireInt("text_embed_dim");
    List<Block> blocks = blocks(sizes, architecture);
    return new ModelDescription(
        "DiT " + config.string("model_arch").orElse("adaln"),
        sizes.channels(),
        sizes.heads(),
        sizes.latentChannels(),
        sizes.outputChannels(),
        new PatchEmbedding(
            "video_embedder.proj",
            sizes.imageKernel(patch),
            patch,
            PatchOrder.CHANNEL_FIRST,
            /* dropsIncomplete= */ true,
            /* reference= */ ""),
        List.of(new Position.Sequence(config.intOr("max_num_embeddings", 512 * 512))),
        /* rotary= */ null,
        1e-6f,
        1e-6f,
        vectors(sizes, architecture, blocks),
        text(config, architecture, textChannels),
        architecture == Architecture.ADALN
            ? new PooledInput(textChannels, /* nullVector= */ null)
            : null,
        blocks,
        Dit.finalLayer());
  }

  private static Architecture architecture(DitConfig config) {
    String name = config.string("model_arch").orElse("adaln");
    return switch (name) {
      case "adaln" -> Architecture.ADALN;
      case "cross-attn" -> Architecture.CROSS_ATTENTION;
      case "token-concat" -> Architecture.TOKEN_CONCAT;
      default -> {
        Sizes.require(
            /* condition= */ false,
            config,
            "model_arch to be adaln, cross-attn or token-concat, but got '" + name + "'");
        throw new IllegalStateException(name);
      }
    };
  }

  private static List<VectorOp> vectors(
      Sizes sizes, Architecture architecture, List<Block> blocks) {
    List<VectorOp> vectors = new ArrayList<>();
    vectors.add(PixArtBlocks.embedder("t_emb", Scalar.TIMESTEP, "t_embedder", sizes.channels()));
    String condition = "t_emb";
    if (architecture == Architecture.ADALN) {
      vectors.add(
          new VectorOp.PooledText("text_embed", List.of("text_embedder.proj"), Activation.NONE));
      vectors.add(new VectorOp.Sum(CONDITION, "t_emb", "text_embed"));
      condition = CONDITION;
    }
    Dit.addModulations(vectors, blocks, condition);
    return vectors;
  }

  private static @Nullable TextInput text(
      DitConfig config, Architecture architecture, int textChannels) {
    int tokens = config.intOr("model_max_length", MAX_TEXT_TOKENS);
    return switch (architecture) {
      case ADALN -> null;
      case CROSS_ATTENTION ->
          new TextInput(textChannels, tokens, /* nullCaption= */ null, List.of());
      case TOKEN_CONCAT ->
          new TextInput(
              textChannels, tokens, /* nullCaption= */ null, List.of("text_embedder.proj"));
    };
  }

  private static List<Block> blocks(Sizes sizes, Architecture architecture) {
    Stream stream = architecture == Architecture.TOKEN_CONCAT ? Stream.ALL : Stream.PATCHES;
    List<Block> blocks = new ArrayList<>();
    for (int i = 0; i < sizes.depth(); i++) {
      String name = "blocks." + i;
      Modulation modulation = Dit.attentionModulation(name);
      Op.Input input = new Op.Input.Modulated(modulation);
      Op attention =
          architecture == Architecture.CROSS_ATTENTION
              ? new Op.CrossAttention("attn", input, modulation.gate())
              : new Op.SelfAttention(
                  new Op.Part(stream, "attn", input, modulation.gate()),
                  Axis.FULL,
                  QkNorm.NONE,
                  /* rotary= */ false);
      blocks.add(new Block(name, List.of(attention, Dit.mlp(stream, name, sizes.hidden()))));
    }
    return blocks;
  }
}
