package dev.longtake.worker.engine.model;

import dev.longtake.common.model.DitConfig;
import dev.longtake.worker.engine.model.Modulation.Source;
import dev.longtake.worker.engine.model.VectorOp.Scalar;
import java.util.ArrayList;
import java.util.List;

/**
 * STDiT2 of Open-Sora 1.1 (hpcaitech/Open-Sora v1.1.0, {@code opensora/models/stdit/stdit2.py}): blocks of spatial attention,
 * rotary temporal attention with a table of its own, cross-attention and MLP. Picture sizes modulate what works in space,
 * length and frame rate what works in time.
 */
final class Stdit2 {
  private static final String SPATIAL_VECTOR = "t_spc_mlp";
  private static final String TEMPORAL_VECTOR = "t_tmp_mlp";
  private static final String FINAL_VECTOR = "t_final";
  private static final int TEMPORAL_ROWS = 3;

  private Stdit2() {}

  static ModelDescription describe(DitConfig config) {
    Sizes sizes = Sizes.read(config, "pred_sigma");
    return new ModelDescription(
        "STDiT2",
        sizes.channels(),
        sizes.heads(),
        sizes.latentChannels(),
        sizes.outputChannels(),
        PixArtBlocks.patches(sizes),
        List.of(
            new Position.Grid(
                1, config.intOr("input_sq_size", 32), new Position.Base.Root(/* rounded= */ true))),
        new Rotary.Frames("rope.freqs"),
        1e-6f,
        1e-6f,
        vectors(sizes),
        PixArtBlocks.text(sizes),
        /* pooledText= */ null,
        blocks(sizes, qkNorm(config)),
        PixArtBlocks.finalLayer(FINAL_VECTOR));
  }

  /** The published weights of version 1.1 were trained with the rotation first. */
  private static QkNorm qkNorm(DitConfig config) {
    if (!config.booleanOr("qk_norm", true)) {
      return QkNorm.NONE;
    }
    return config.booleanOr("qk_norm_legacy", true)
        ? QkNorm.AFTER_ROTATION
        : QkNorm.BEFORE_ROTATION;
  }

  private static List<VectorOp> vectors(Sizes sizes) {
    int channels = sizes.channels();
    List<VectorOp> vectors = new ArrayList<>();
    vectors.add(PixArtBlocks.embedder("t_emb", Scalar.TIMESTEP, "t_embedder", channels));
    vectors.addAll(Pixart.sizeVectors(sizes));
    vectors.add(new VectorOp.Sum("t_spc", "t_emb", Pixart.SIZES));
    vectors.add(
        new VectorOp.SiluLinear(SPATIAL_VECTOR, "t_spc", "t_block.1", PixArtBlocks.BLOCK_ROWS));
    vectors.add(PixArtBlocks.embedder("fl_emb", Scalar.FRAME_COUNT, "fl_embedder", channels));
    vectors.add(PixArtBlocks.embedder("fps_emb", Scalar.FRAME_RATE, "fps_embedder", channels));
    vectors.add(new VectorOp.Sum("fl_fps_emb", "fl_emb", "fps_emb"));
    vectors.add(new VectorOp.Sum("t_tmp", "t_emb", "fl_fps_emb"));
    vectors.add(new VectorOp.SiluLinear(TEMPORAL_VECTOR, "t_tmp", "t_block_temp.1", TEMPORAL_ROWS));
    // The reference gives the picture's size to the final layer of masked frames only.
    vectors.add(new VectorOp.WhereMasked(FINAL_VECTOR, "t_emb", "t_spc"));
    return vectors;
  }

  private static List<Block> blocks(Sizes sizes, QkNorm qkNorm) {
    List<Block> blocks = new ArrayList<>();
    for (int i = 0; i < sizes.depth(); i++) {
      String name = "blocks." + i;
      Source spatial = PixArtBlocks.table(name, SPATIAL_VECTOR);
      Source temporal =
          new Source.Table(name + ".scale_shift_table_temporal", TEMPORAL_ROWS, TEMPORAL_VECTOR);
      blocks.add(
          new Block(
              name,
              List.of(
                  PixArtBlocks.attention(
                      "attn",
                      Axis.SPATIAL,
                      new Modulation(spatial, 0),
                      qkNorm,
                      /* rotary= */ false),
                  PixArtBlocks.attention(
                      "attn_temp",
                      Axis.TEMPORAL,
                      new Modulation(temporal, 0),
                      qkNorm,
                      /* rotary= */ true),
                  PixArtBlocks.crossAttention(),
                  PixArtBlocks.mlp(spatial, sizes.hidden()))));
    }
    return blocks;
  }
}
