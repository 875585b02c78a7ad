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
    String json =
        """
        {"model_type": "STDiT3", "hidden_size": 48, "num_heads": 4, "depth": %d, "in_channels": 4,
         "patch_size": [1, 2, 2], "caption_channels": 32, "model_max_length": 12}
        """
            .formatted(depth);
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
