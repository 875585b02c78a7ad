package dev.longtake.worker.engine.model;

import dev.longtake.worker.device.PatchOrder;
import dev.longtake.worker.engine.model.Modulation.Source;
import dev.longtake.worker.engine.model.VectorOp.Scalar;
import dev.longtake.worker.engine.model.VectorOp.Sinusoid;
import java.util.List;

/**
 * What PixArt (arXiv 2310.00426) and the STDiT models that grew out of it have in common: tables that modulate with one shared
 * vector, a projected caption, and the names of their weights.
 */
final class PixArtBlocks {
  /** Shift, scale and gate of the attention, then of the MLP. */
  static final int BLOCK_ROWS = 6;

  /** Shift and scale. */
  static final int FINAL_ROWS = 2;

  /** First row of the MLP's vectors in a block's table. */
  static final int MLP_SHIFT = 3;

  private PixArtBlocks() {}

  static Sinusoid embedder(String output, Scalar scalar, String name, int columns) {
    return new Sinusoid(output, scalar, 1, name + ".mlp.0", name + ".mlp.2", columns);
  }

  static TextInput text(Sizes sizes) {
    return new TextInput(
        sizes.config().requireInt("caption_channels"),
        sizes.config().requireInt("model_max_length"),
        "y_embedder.y_embedding",
        List.of("y_embedder.y_proj.fc1", "y_embedder.y_proj.fc2"));
  }

  static PatchEmbedding patches(Sizes sizes) {
    PatchSize patch = sizes.videoPatch();
    return new PatchEmbedding(
        "x_embedder.proj",
        sizes.videoKernel(patch),
        patch,
        PatchOrder.CHANNEL_LAST,
        /* dropsIncomplete= */ false,
        /* reference= */ "");
  }

  static Source table(String block, String vector) {
    return new Source.Table(block + ".scale_shift_table", BLOCK_ROWS, vector);
  }

  static Op.SelfAttention attention(
      String name, Axis axis, Modulation modulation, QkNorm qkNorm, boolean rotary) {
    return new Op.SelfAttention(
        new Op.Part(Stream.PATCHES, name, new Op.Input.Modulated(modulation), modulation.gate()),
        axis,
        qkNorm,
        rotary);
  }

  /** Attention to the caption, neither normalised nor gated. */
  static Op crossAttention() {
    return new Op.CrossAttention(
        "cross_attn", new Op.Input.Plain(/* position= */ null), /* gate= */ null);
  }

  static Op mlp(Source table, int hidden) {
    Modulation modulation = new Modulation(table, MLP_SHIFT);
    return new Op.Mlp(Stream.PATCHES, "mlp", hidden, modulation, modulation.gate());
  }

  static FinalLayer finalLayer(String vector) {
    return new FinalLayer(
        "final_layer.linear",
        new Modulation(new Source.Table("final_layer.scale_shift_table", FINAL_ROWS, vector), 0),
        /* maskedFramesTwice= */ true);
  }
}
