package dev.longtake.worker.engine.model;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.model.DitConfig;
import dev.longtake.worker.engine.model.VectorOp.Scalar;
import java.util.ArrayList;
import java.util.List;

/**
 * STDiT3 of Open-Sora 1.2 (hpcaitech/Open-Sora v1.2.0, {@code opensora/models/stdit/stdit3.py}): pairs of a spatial and a
 * temporal block, each with gated self-attention, cross-attention to the text and a gated MLP. Weight names are those of
 * the published state dict.
 */
final class Stdit3 {
  private static final String BLOCK_VECTOR = "t_mlp";
  private static final String FINAL_VECTOR = "t_fps_emb";

  /** Shift, scale and gate of the attention, then of the MLP. */
  private static final int BLOCK_ROWS = 6;

  /** Shift and scale. */
  private static final int FINAL_ROWS = 2;

  private Stdit3() {}

  static ModelDescription describe(DitConfig config) {
    int channels = config.requireInt("hidden_size");
    int heads = config.requireInt("num_heads");
    if (heads < 1 || channels % heads != 0 || channels / heads % 2 != 0 || channels % 4 != 0) {
      throw new LongtakeException(
          ErrorCode.INVALID_MODEL,
          "Expected hidden_size to be a multiple of 4 and of num_heads with an even head width, but got hidden_size %d and num_heads %d; correct %s"
              .formatted(channels, heads, config.file()));
    }
    int latentChannels = config.intOr("in_channels", 4);
    int outputChannels = config.booleanOr("pred_sigma", true) ? 2 * latentChannels : latentChannels;
    return new ModelDescription(
        "STDiT3",
        channels,
        heads,
        latentChannels,
        outputChannels,
        patchSize(config),
        "x_embedder.proj",
        new PositionTable(config.intOr("input_sq_size", 512)),
        "rope.freqs",
        1e-6f,
        1e-6f,
        List.of(
            new VectorOp.Sinusoid("t_emb", Scalar.TIMESTEP, "t_embedder.mlp"),
            new VectorOp.Sinusoid("fps_emb", Scalar.FRAME_RATE, "fps_embedder.mlp"),
            new VectorOp.Sum(FINAL_VECTOR, "t_emb", "fps_emb"),
            new VectorOp.SiluLinear(BLOCK_VECTOR, FINAL_VECTOR, "t_block.1", BLOCK_ROWS)),
        new TextProjection(
            "y_embedder.y_proj",
            config.requireInt("caption_channels"),
            config.requireInt("model_max_length"),
            "y_embedder.y_embedding"),
        blocks(config, channels),
        new FinalLayer(
            "final_layer.linear",
            new Modulation("final_layer.scale_shift_table", FINAL_ROWS, FINAL_VECTOR, 0),
            /* maskedFramesTwice= */ true));
  }

  private static PatchSize patchSize(DitConfig config) {
    List<Integer> sizes = config.requireIntList("patch_size");
    if (sizes.size() != 3 || sizes.stream().anyMatch(size -> size < 1)) {
      throw new LongtakeException(
          ErrorCode.INVALID_MODEL,
          "Expected patch_size to be three positive numbers (frames, height, width), but got %s; correct %s"
              .formatted(sizes, config.file()));
    }
    return new PatchSize(sizes.get(0), sizes.get(1), sizes.get(2));
  }

  private static List<Block> blocks(DitConfig config, int channels) {
    int depth = config.requireInt("depth");
    int hidden = (int) (channels * config.doubleOr("mlp_ratio", 4.0));
    boolean qkNorm = config.booleanOr("qk_norm", true);
    List<Block> blocks = new ArrayList<>();
    for (int i = 0; i < depth; i++) {
      blocks.add(block("spatial_blocks." + i, Axis.SPATIAL, qkNorm, hidden));
      blocks.add(block("temporal_blocks." + i, Axis.TEMPORAL, qkNorm, hidden));
    }
    return blocks;
  }

  private static Block block(String name, Axis axis, boolean qkNorm, int hidden) {
    String table = name + ".scale_shift_table";
    return new Block(
        name,
        List.of(
            new Op.SelfAttention(
                "attn",
                axis,
                new Modulation(table, BLOCK_ROWS, BLOCK_VECTOR, 0),
                qkNorm,
                /* rotary= */ axis == Axis.TEMPORAL),
            new Op.CrossAttention("cross_attn"),
            new Op.Mlp("mlp", hidden, new Modulation(table, BLOCK_ROWS, BLOCK_VECTOR, 3))));
  }
}
