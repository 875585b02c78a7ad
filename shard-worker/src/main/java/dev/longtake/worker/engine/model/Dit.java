package dev.longtake.worker.engine.model;

import dev.longtake.common.model.DitConfig;
import dev.longtake.worker.device.Activation;
import dev.longtake.worker.engine.model.Modulation.Source;
import dev.longtake.worker.engine.model.VectorOp.Scalar;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * DiT (arXiv 2212.09748): each block modulates by a layer of its own from the sum of timestep and class or pooled caption. The
 * image model (facebookresearch/DiT), and the video models of Open-Sora 1.0 ({@code opensora/models/dit/dit.py}, {@code
 * opensora/models/dit/latte.py}): DiT attends over all tokens, Latte (arXiv 2401.03048) in turn within and across frames.
 */
final class Dit {
  private static final String CONDITION = "cond";
  private static final int BLOCK_ROWS = 6;
  private static final int FINAL_ROWS = 2;
  private static final int MLP_SHIFT = 3;

  private Dit() {}

  static ModelDescription image(DitConfig config) {
    Sizes sizes = Sizes.read(config, "learn_sigma");
    return describe(
        sizes,
        PixArtBlocks.imagePatches(sizes),
        List.of(new Position.Grid(1, 0, new Position.Base.Own())),
        config.intOr("num_classes", 1000),
        blocks(sizes, /* alternating= */ false));
  }

  /** The original Latte of classes, with the image model's patches. */
  static ModelDescription latte(DitConfig config) {
    Sizes sizes = Sizes.read(config, "learn_sigma");
    int extras = config.intOr("extras", 2);
    Sizes.require(extras == 2, config, "extras to be 2, a model with classes, but got " + extras);
    return describe(
        sizes,
        PixArtBlocks.imagePatches(sizes),
        List.of(new Position.Grid(1, 0, new Position.Base.Own())),
        config.intOr("num_classes", 1000),
        blocks(sizes, /* alternating= */ true));
  }

  static ModelDescription video(DitConfig config) {
    Sizes sizes = Sizes.read(config, "learn_sigma");
    boolean latte = config.architecture().equals("Latte");
    List<Position> positions = new ArrayList<>();
    positions.add(new Position.Grid(1, 0, new Position.Base.Own()));
    if (!latte && !config.booleanOr("no_temporal_pos_emb", false)) {
      positions.add(new Position.Frames(1, /* ofImages= */ true));
    }
    return describe(
        sizes, PixArtBlocks.patches(sizes), positions, classes(config), blocks(sizes, latte));
  }

  /** "label_1000" has that many classes; "text" is conditioned on a pooled caption. */
  private static int classes(DitConfig config) {
    String condition = config.string("condition").orElse("text");
    if (condition.equals("text")) {
      return 0;
    }
    Sizes.require(
        condition.matches("label_[1-9][0-9]{0,8}"),
        config,
        "condition to be 'text' or 'label_' and a number of classes, but got '" + condition + "'");
    return Integer.parseInt(condition.substring("label_".length()));
  }

  /**
   * Puts the parts together.
   *
   * @param classes 0 for a pooled caption
   */
  private static ModelDescription describe(
      Sizes sizes,
      PatchEmbedding patches,
      List<Position> positions,
      int classes,
      List<Block> blocks) {
    List<VectorOp> vectors = new ArrayList<>();
    vectors.add(PixArtBlocks.embedder("t_emb", Scalar.TIMESTEP, "t_embedder", sizes.channels()));
    vectors.add(
        classes > 0
            ? new VectorOp.ClassEmbedding("y_emb", "y_embedder.embedding_table.weight", classes)
            : new VectorOp.PooledText(
                "y_emb",
                List.of("y_embedder.y_proj.fc1", "y_embedder.y_proj.fc2"),
                Activation.GELU_TANH));
    vectors.add(new VectorOp.Sum(CONDITION, "t_emb", "y_emb"));
    addModulations(vectors, blocks, CONDITION);
    return new ModelDescription(
        sizes.config().architecture(),
        sizes.channels(),
        sizes.heads(),
        sizes.latentChannels(),
        sizes.outputChannels(),
        patches,
        positions,
        /* rotary= */ null,
        1e-6f,
        1e-6f,
        vectors,
        /* text= */ null,
        pooled(sizes.config(), classes),
        blocks,
        finalLayer());
  }

  private static @Nullable PooledInput pooled(DitConfig config, int classes) {
    return classes > 0
        ? null
        : new PooledInput(
            config.requireInt("caption_channels"), new NullText.Stored("y_embedder.y_embedding"));
  }

  /** The layers that make each block's six vectors, and the final layer's two. */
  static void addModulations(List<VectorOp> vectors, List<Block> blocks, String condition) {
    for (Block block : blocks) {
      vectors.add(
          new VectorOp.SiluLinear(
              block.name() + ".modulation",
              condition,
              block.name() + ".adaLN_modulation.1",
              BLOCK_ROWS));
    }
    vectors.add(
        new VectorOp.SiluLinear(
            "final_layer.modulation", condition, "final_layer.adaLN_modulation.1", FINAL_ROWS));
  }

  static Modulation attentionModulation(String block) {
    return new Modulation(new Source.Vector(block + ".modulation", BLOCK_ROWS), 0);
  }

  static Op mlp(Stream stream, String block, int hidden) {
    Modulation modulation =
        new Modulation(new Source.Vector(block + ".modulation", BLOCK_ROWS), MLP_SHIFT);
    return new Op.Mlp(stream, "mlp", hidden, modulation, modulation.gate());
  }

  static FinalLayer finalLayer() {
    return new FinalLayer(
        "final_layer.linear",
        new Modulation(new Source.Vector("final_layer.modulation", FINAL_ROWS), 0),
        /* maskedFramesTwice= */ false);
  }

  private static List<Block> blocks(Sizes sizes, boolean alternating) {
    List<Block> blocks = new ArrayList<>();
    for (int i = 0; i < sizes.depth(); i++) {
      String name = "blocks." + i;
      Modulation modulation = attentionModulation(name);
      Axis axis = i % 2 == 0 ? Axis.SPATIAL : Axis.TEMPORAL;
      List<Op> ops = new ArrayList<>();
      if (alternating && i == 1) {
        ops.add(new Op.AddPosition(new Position.Frames(1, /* ofImages= */ true)));
      }
      ops.add(
          PixArtBlocks.attention(
              "attn",
              alternating ? axis : Axis.FULL,
              modulation,
              QkNorm.NONE,
              /* rotary= */ false));
      ops.add(mlp(Stream.PATCHES, name, sizes.hidden()));
      blocks.add(new Block(name, ops));
    }
    return blocks;
  }
}
