package dev.longtake.worker.engine.model;

import dev.longtake.common.model.DitConfig;
import dev.longtake.worker.engine.model.Modulation.Source;
import dev.longtake.worker.engine.model.VectorOp.Scalar;
import java.util.ArrayList;
import java.util.List;

/**
 * STDiT of Open-Sora 1.0 (hpcaitech/Open-Sora v1.0.0, {@code opensora/models/stdit/stdit.py}): a PixArt block with a temporal
 * attention after the spatial one. The temporal attention reads the residual stream as it is and borrows the spatial one's
 * gate; the positions of frames reach only the first of them.
 */
final class Stdit1 {
  private static final String BLOCK_VECTOR = "t_mlp";
  private static final String FINAL_VECTOR = "t_emb";

  private Stdit1() {}

  static ModelDescription describe(DitConfig config) {
    Sizes sizes = Sizes.read(config, "pred_sigma");
    return new ModelDescription(
        "STDiT",
        sizes.channels(),
        sizes.heads(),
        sizes.latentChannels(),
        sizes.outputChannels(),
        PixArtBlocks.patches(sizes),
        List.of(new Position.Grid(config.doubleOr("space_scale", 1), 0, new Position.Base.Own())),
        /* rotary= */ null,
        1e-6f,
        1e-6f,
        List.of(
            PixArtBlocks.embedder(FINAL_VECTOR, Scalar.TIMESTEP, "t_embedder", sizes.channels()),
            new VectorOp.SiluLinear(
                BLOCK_VECTOR, FINAL_VECTOR, "t_block.1", PixArtBlocks.BLOCK_ROWS)),
        PixArtBlocks.text(sizes),
        /* pooledText= */ null,
        blocks(sizes),
        PixArtBlocks.finalLayer(FINAL_VECTOR));
  }

  private static List<Block> blocks(Sizes sizes) {
    Position frames = new Position.Frames(sizes.config().doubleOr("time_scale", 1));
    boolean positions = !sizes.config().booleanOr("no_temporal_pos_emb", false);
    List<Block> blocks = new ArrayList<>();
    for (int i = 0; i < sizes.depth(); i++) {
      String name = "blocks." + i;
      Source table = PixArtBlocks.table(name, BLOCK_VECTOR);
      Modulation modulation = new Modulation(table, 0);
      Gate temporalGate =
          new Gate(table, modulation.gate().row(), /* maskedFramesOrdinary= */ true);
      Op temporal =
          new Op.SelfAttention(
              new Op.Part(
                  Stream.PATCHES,
                  "attn_temp",
                  new Op.Input.Plain(i == 0 && positions ? frames : null),
                  temporalGate),
              Axis.TEMPORAL,
              QkNorm.NONE,
              /* rotary= */ false);
      blocks.add(
          new Block(
              name,
              List.of(
                  PixArtBlocks.attention(
                      "attn", Axis.SPATIAL, modulation, QkNorm.NONE, /* rotary= */ false),
                  temporal,
                  PixArtBlocks.crossAttention(),
                  PixArtBlocks.mlp(table, sizes.hidden()))));
    }
    return blocks;
  }
}
