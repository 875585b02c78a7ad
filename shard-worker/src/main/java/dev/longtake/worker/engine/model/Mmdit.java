package dev.longtake.worker.engine.model;

import dev.longtake.common.model.DitConfig;
import dev.longtake.worker.device.Activation;
import dev.longtake.worker.device.Pairing;
import dev.longtake.worker.device.PatchOrder;
import dev.longtake.worker.engine.model.Modulation.Source;
import dev.longtake.worker.engine.model.VectorOp.Scalar;
import dev.longtake.worker.engine.model.VectorOp.Sinusoid;
import java.util.ArrayList;
import java.util.List;

/**
 * The MMDiT of Open-Sora 2.0 (hpcaitech/Open-Sora main, {@code opensora/models/mmdit/model.py}): blocks in which text and patches
 * have weights of their own and attend jointly, then blocks over both as one sequence with attention and MLP beside each
 * other; rotary positions over frame, row and column.
 */
final class Mmdit {
  private static final String CONDITION = "vec";
  private static final int DOUBLE_ROWS = 6;
  private static final int SINGLE_ROWS = 3;
  private static final int MLP_SHIFT = 3;
  private static final int MAX_TEXT_TOKENS = 512;

  /** The model's time and guidance count in thousandths. */
  private static final float SCALE = 1000;

  private Mmdit() {}

  static ModelDescription describe(DitConfig config) {
    // in_channels are those of a packed token, so the latent channels of all values of a patch.
    int side = config.intOr("patch_size", 2);
    int packed = config.requireInt("in_channels");
    Sizes.require(
        side >= 1 && packed % (side * side) == 0,
        config,
        "in_channels to be a multiple of the patch's %d values, but got %d"
            .formatted(side * side, packed));
    Sizes sizes = Sizes.read(config, "pred_sigma");
    int latentChannels = packed / (side * side);
    return new ModelDescription(
        "MMDiTModel",
        sizes.channels(),
        sizes.heads(),
        latentChannels,
        latentChannels,
        new PatchEmbedding(
            "img_in",
            List.of(sizes.channels(), packed),
            new PatchSize(1, side, side),
            PatchOrder.CHANNEL_FIRST,
            /* dropsIncomplete= */ true,
            config.booleanOr("cond_embed", false) ? "cond_in" : ""),
        List.of(),
        rotary(sizes),
        1e-6f,
        1e-6f,
        vectors(sizes),
        new TextInput(
            config.requireInt("context_in_dim"),
            config.intOr("model_max_length", MAX_TEXT_TOKENS),
            /* nullCaption= */ null,
            List.of("txt_in")),
        new PooledInput(config.requireInt("vec_in_dim"), /* nullVector= */ null),
        blocks(sizes),
        Dit.finalLayer());
  }

  private static Rotary rotary(Sizes sizes) {
    DitConfig config = sizes.config();
    List<Integer> widths = config.requireIntList("axes_dim");
    int head = sizes.channels() / sizes.heads();
    Sizes.require(
        widths.size() == 3
            && widths.stream().allMatch(width -> width >= 0 && width % 2 == 0)
            && widths.stream().mapToInt(Integer::intValue).sum() == head,
        config,
        "axes_dim to be three even numbers with the sum of the head width %d, but got %s"
            .formatted(head, widths));
    boolean halves = config.booleanOr("use_liger_rope", false);
    return new Rotary.Axes(
        widths,
        config.doubleOr("theta", 10_000),
        halves ? Pairing.HALVES : Pairing.ADJACENT,
        /* exactAngles= */ !halves);
  }

  private static List<VectorOp> vectors(Sizes sizes) {
    List<VectorOp> vectors = new ArrayList<>();
    vectors.add(embedder("time_in", Scalar.TIMESTEP, sizes.channels()));
    String sum = "time_in";
    if (sizes.config().booleanOr("guidance_embed", false)) {
      vectors.add(embedder("guidance_in", Scalar.GUIDANCE, sizes.channels()));
      vectors.add(new VectorOp.Sum("time_guidance_in", "time_in", "guidance_in"));
      sum = "time_guidance_in";
    }
    vectors.add(
        new VectorOp.PooledText(
            "vector_in", List.of("vector_in.in_layer", "vector_in.out_layer"), Activation.SILU));
    vectors.add(new VectorOp.Sum(CONDITION, sum, "vector_in"));
    for (int i = 0; i < sizes.depth(); i++) {
      for (String stream : List.of("img", "txt")) {
        String vector = "double_blocks." + i + "." + stream + "_mod";
        vectors.add(new VectorOp.SiluLinear(vector, CONDITION, vector + ".lin", DOUBLE_ROWS));
      }
    }
    for (int i = 0; i < singleDepth(sizes); i++) {
      String vector = "single_blocks." + i + ".modulation";
      vectors.add(new VectorOp.SiluLinear(vector, CONDITION, vector + ".lin", SINGLE_ROWS));
    }
    vectors.add(
        new VectorOp.SiluLinear(
            "final_layer.modulation", CONDITION, "final_layer.adaLN_modulation.1", 2));
    return vectors;
  }

  private static Sinusoid embedder(String name, Scalar scalar, int channels) {
    return new Sinusoid(name, scalar, SCALE, name + ".in_layer", name + ".out_layer", channels);
  }

  private static int singleDepth(Sizes sizes) {
    return sizes.config().requireInt("depth_single_blocks");
  }

  private static List<Block> blocks(Sizes sizes) {
    List<Block> blocks = new ArrayList<>();
    for (int i = 0; i < sizes.depth(); i++) {
      String name = "double_blocks." + i;
      blocks.add(
          new Block(
              name,
              List.of(
                  new Op.SelfAttention(
                      List.of(part(name, Stream.TEXT, "txt"), part(name, Stream.PATCHES, "img")),
                      Axis.FULL,
                      QkNorm.BEFORE_ROTATION,
                      /* rotary= */ true,
                      /* keyValueReduction= */ 1),
                  mlp(name, Stream.TEXT, "txt", sizes.hidden()),
                  mlp(name, Stream.PATCHES, "img", sizes.hidden()))));
    }
    for (int i = 0; i < singleDepth(sizes); i++) {
      String name = "single_blocks." + i;
      blocks.add(
          new Block(
              name,
              List.of(
                  new Op.ParallelAttention(
                      "both",
                      sizes.hidden(),
                      new Modulation(new Source.Vector(name + ".modulation", SINGLE_ROWS), 0)))));
    }
    return blocks;
  }

  private static Source vectors(String block, String stream) {
    return new Source.Vector(block + "." + stream + "_mod", DOUBLE_ROWS);
  }

  private static Op.Part part(String block, Stream stream, String name) {
    Modulation modulation = new Modulation(vectors(block, name), 0);
    return new Op.Part(
        stream, name + "_attn", new Op.Input.Modulated(modulation), modulation.gate());
  }

  private static Op mlp(String block, Stream stream, String name, int hidden) {
    Modulation modulation = new Modulation(vectors(block, name), MLP_SHIFT);
    return new Op.Mlp(stream, name + "_mlp", hidden, modulation, modulation.gate());
  }
}
