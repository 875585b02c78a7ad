package dev.longtake.worker.engine.program;

import com.google.gson.JsonParser;
import dev.longtake.common.model.DitConfig;
import dev.longtake.worker.engine.model.Axis;
import dev.longtake.worker.engine.model.Block;
import dev.longtake.worker.engine.model.ModelCatalog;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.model.Modulation;
import dev.longtake.worker.engine.model.Op;
import dev.longtake.worker.engine.model.QkNorm;
import dev.longtake.worker.engine.model.Stream;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;

/** Small descriptions to compile. */
final class TestModels {
  private TestModels() {}

  static ModelDescription stdit3(int depth) {
    return describe(
        """
        {"model_type": "STDiT3", "hidden_size": 48, "num_heads": 4, "depth": %d, "in_channels": 4,
         "patch_size": [1, 2, 2], "caption_channels": 32, "model_max_length": 12}
        """
            .formatted(depth));
  }

  /** Attention over all patches, a class label. */
  static ModelDescription dit(int depth) {
    return describe(
        """
        {"model_type": "DiT", "hidden_size": 48, "num_heads": 4, "depth": %d, "in_channels": 4,
         "patch_size": 2, "num_classes": 10}
        """
            .formatted(depth));
  }

  /** Keys and values of the second block reduced. */
  static ModelDescription sigma() {
    return describe(
        """
        {"model_type": "PixArt_Sigma", "hidden_size": 48, "num_heads": 4, "depth": 2, "in_channels": 4,
         "patch_size": [1, 2, 2], "caption_channels": 32, "model_max_length": 12, "qk_norm": true,
         "kv_compress_config": {"sampling": "conv", "scale_factor": 2, "kv_compress_layer": [1]}}
        """);
  }

  /** March 2024: adaln, cross-attn or token-concat. */
  static ModelDescription march(String architecture, int depth) {
    return describe(
        """
        {"model_type": "DiT", "model_arch": "%s", "hidden_size": 48, "num_heads": 4, "depth": %d,
         "in_channels": 3, "patch_size": 2, "text_embed_dim": 40}
        """
            .formatted(architecture, depth));
  }

  static ModelDescription mmdit(int doubleBlocks, int singleBlocks) {
    return describe(
        """
        {"model_type": "MMDiTModel", "hidden_size": 48, "num_heads": 2, "depth": %d,
         "depth_single_blocks": %d, "in_channels": 16, "vec_in_dim": 20, "context_in_dim": 28,
         "axes_dim": [4, 10, 10], "guidance_embed": true, "cond_embed": true}
        """
            .formatted(doubleBlocks, singleBlocks));
  }

  /** One of each kind. */
  static List<ModelDescription> all() {
    return List.of(
        stdit3(2),
        dit(2),
        sigma(),
        march("adaln", 2),
        march("cross-attn", 2),
        march("token-concat", 2),
        mmdit(2, 2));
  }

  private static ModelDescription describe(String json) {
    DitConfig config =
        DitConfig.of(Path.of("config.json"), JsonParser.parseString(json).getAsJsonObject());
    return ModelCatalog.describe(config, Set.of()).description();
  }

  /** A block with one self-attention and an MLP. */
  static Block block(String name, Axis axis) {
    Modulation modulation =
        new Modulation(new Modulation.Source.Table(name + ".table", 6, "t_mlp"), 0);
    return new Block(
        name,
        List.of(
            new Op.SelfAttention(
                new Op.Part(
                    Stream.PATCHES, "attn", new Op.Input.Modulated(modulation), modulation.gate()),
                axis,
                QkNorm.BEFORE_ROTATION,
                /* rotary= */ false),
            new Op.Mlp(Stream.PATCHES, "mlp", 96, modulation, modulation.gate())));
  }
}
