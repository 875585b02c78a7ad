package dev.longtake.worker.engine.model;

import dev.longtake.common.model.DitConfig;
import dev.longtake.worker.engine.model.Modulation.Source;
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

  private Stdit3() {}

  static ModelDescription describe(DitConfig config) {
    Sizes sizes = Sizes.read(config, "pred_sigma");
    int channels = sizes.channels();
    return new ModelDescription(
        "STDiT3",
        channels,
        sizes.heads(),
        sizes.latentChannels(),
        sizes.outputChannels(),
        PixArtBlocks.patches(sizes),
        List.of(
            new Position.Grid(
                1,
                config.intOr("input_sq_size", 512),
                new Position.Base.Root(/* rounded= */ true))),
        new Rotary.Frames("rope.freqs"),
        1e-6f,
        1e-6f,
        List.of(
            PixArtBlocks.embedder("t_emb", Scalar.TIMESTEP, "t_embedder", channels),
            PixArtBlocks.embedder("fps_emb", Scalar.FRAME_RATE, "fps_embedder", channels),
            new VectorOp.Sum(FINAL_VECTOR, "t_emb", "fps_emb"),
            new VectorOp.SiluLinear(
                BLOCK_VECTOR, FINAL_VECTOR, "t_block.1", PixArtBlocks.BLOCK_ROWS)),
        PixArtBlocks.text(sizes),
        /* pooledText= */ null,
        blocks(sizes, config.booleanOr("qk_norm", true)),
        PixArtBlocks.finalLayer(FINAL_VECTOR));
  }

  private static List<Block> blocks(Sizes sizes, boolean qkNorm) {
    List<Block> blocks = new ArrayList<>();
    for (int i = 0; i < sizes.depth(); i++) {
      blocks.add(block("spatial_blocks." + i, Axis.SPATIAL, qkNorm, sizes.hidden()));
      blocks.add(block("temporal_blocks." + i, Axis.TEMPORAL, qkNorm, sizes.hidden()));
    }
    return blocks;
  }

  private static Block block(String name, Axis axis, boolean qkNorm, int hidden) {
    Source table = PixArtBlocks.table(name, BLOCK_VECTOR);
    return new Block(
        name,
        List.of(
            PixArtBlocks.attention(
                "attn",
                axis,
                new Modulation(table, 0),
                qkNorm ? QkNorm.BEFORE_ROTATION : QkNorm.NONE,
                /* rotary= */ axis == Axis.TEMPORAL),
            PixArtBlocks.crossAttention(),
            PixArtBlocks.mlp(table, hidden)));
  }
}
