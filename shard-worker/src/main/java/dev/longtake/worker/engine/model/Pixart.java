package dev.longtake.worker.engine.model;

import dev.longtake.common.model.DitConfig;
import dev.longtake.worker.engine.model.Modulation.Source;
import dev.longtake.worker.engine.model.VectorOp.Scalar;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * PixArt-alpha (arXiv 2310.00426) and PixArt-Sigma (arXiv 2403.04692) as Open-Sora has them (hpcaitech/Open-Sora v1.0.0 and
 * v1.2.0, {@code opensora/models/pixart}): an image model, which is a video of one frame. The class for several sizes, PixArtMS,
 * is also told height, width and aspect ratio; Sigma reduces keys and values in some blocks.
 */
final class Pixart {
  /** The vector of height, width and aspect ratio. */
  static final String SIZES = "data_info";

  private static final String BLOCK_VECTOR = "t_mlp";

  private Pixart() {}

  static ModelDescription describe(DitConfig config) {
    Sizes sizes = Sizes.read(config, "pred_sigma");
    List<VectorOp> vectors = new ArrayList<>();
    vectors.add(PixArtBlocks.embedder("t_emb", Scalar.TIMESTEP, "t_embedder", sizes.channels()));
    String timestep = "t_emb";
    if (config.architecture().equals("PixArtMS")) {
      vectors.addAll(sizeVectors(sizes));
      timestep = "t_sizes_emb";
      vectors.add(new VectorOp.Sum(timestep, "t_emb", SIZES));
    }
    vectors.add(
        new VectorOp.SiluLinear(BLOCK_VECTOR, timestep, "t_block.1", PixArtBlocks.BLOCK_ROWS));
    return new ModelDescription(
        config.architecture(),
        sizes.channels(),
        sizes.heads(),
        sizes.latentChannels(),
        sizes.outputChannels(),
        PixArtBlocks.patches(sizes),
        positions(sizes),
        /* rotary= */ null,
        1e-6f,
        1e-6f,
        vectors,
        PixArtBlocks.text(sizes),
        /* pooledText= */ null,
        blocks(sizes),
        PixArtBlocks.finalLayer(timestep));
  }

  /** Makes {@link #SIZES}, a third of the channels for each number. */
  static List<VectorOp> sizeVectors(Sizes sizes) {
    int third = sizes.channels() / 3;
    Sizes.require(
        sizes.channels() % 3 == 0,
        sizes.config(),
        "hidden_size to be a multiple of 3, but got " + sizes.channels());
    return List.of(
        PixArtBlocks.embedder("height_emb", Scalar.HEIGHT, "csize_embedder", third),
        PixArtBlocks.embedder("width_emb", Scalar.WIDTH, "csize_embedder", third),
        new VectorOp.Concat("csize_emb", List.of("height_emb", "width_emb")),
        PixArtBlocks.embedder("ar_emb", Scalar.ASPECT_RATIO, "ar_embedder", third),
        new VectorOp.Concat(SIZES, List.of("csize_emb", "ar_emb")));
  }

  private static List<Position> positions(Sizes sizes) {
    DitConfig config = sizes.config();
    Position.Base base =
        config.has("base_size")
            ? new Position.Base.Fixed(
                Math.floorDiv(config.requireInt("base_size"), sizes.videoPatch().height()))
            : new Position.Base.Root(/* rounded= */ false);
    Position grid = new Position.Grid(config.doubleOr("space_scale", 1), 0, base);
    // Also for one frame, where its cosines are 1.
    return config.booleanOr("no_temporal_pos_emb", false)
        ? List.of(grid)
        : List.of(grid, new Position.Frames(config.doubleOr("time_scale", 1)));
  }

  private static List<Block> blocks(Sizes sizes) {
    DitConfig config = sizes.config();
    QkNorm qkNorm = config.booleanOr("qk_norm", false) ? QkNorm.BEFORE_ROTATION : QkNorm.NONE;
    Set<Integer> compressed = new HashSet<>();
    int factor = 1;
    if (config.has("kv_compress_config")) {
      DitConfig compression = config.section("kv_compress_config");
      String sampling = compression.string("sampling").orElse("conv");
      Sizes.require(
          sampling.equals("conv"),
          config,
          "kv_compress_config.sampling to be 'conv', the one that published weights use, but got '"
              + sampling
              + "'");
      factor = compression.requireInt("scale_factor");
      compressed.addAll(compression.requireIntList("kv_compress_layer"));
    }
    List<Block> blocks = new ArrayList<>();
    for (int i = 0; i < sizes.depth(); i++) {
      String name = "blocks." + i;
      Source table = PixArtBlocks.table(name, BLOCK_VECTOR);
      Modulation modulation = new Modulation(table, 0);
      blocks.add(
          new Block(
              name,
              List.of(
                  new Op.SelfAttention(
                      List.of(
                          new Op.Part(
                              Stream.PATCHES,
                              "attn",
                              new Op.Input.Modulated(modulation),
                              modulation.gate())),
                      Axis.SPATIAL,
                      qkNorm,
                      /* rotary= */ false,
                      compressed.contains(i) ? factor : 1),
                  PixArtBlocks.crossAttention(),
                  PixArtBlocks.mlp(table, sizes.hidden()))));
    }
    return blocks;
  }
}
