package dev.longtake.worker.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import dev.longtake.common.checkpoint.Checkpoint;
import dev.longtake.common.checkpoint.Checkpoints;
import dev.longtake.common.model.ModelFolder;
import dev.longtake.v1.Precision;
import dev.longtake.worker.device.DeviceChoice;
import dev.longtake.worker.engine.model.CatalogModel;
import dev.longtake.worker.engine.model.ModelCatalog;
import dev.longtake.worker.engine.program.LinearSpec;
import dev.longtake.worker.engine.program.Program;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.TreeSet;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.FieldSource;

/** That conformance sees mistakes: every case must fail when its model is described or loaded wrongly. */
class ConformanceMutationTest {
  static final List<String> MODELS = ConformanceTest.MODELS;
  private static final int WEIGHTS_PER_MODEL = 3;

  @TempDir Path temporary = Path.of("");

  private static List<RunReport> check(GoldenCopy copy) {
    return new Conformance(1, Precision.PRECISION_F32, new DeviceChoice.Cpu()).check(copy.folder());
  }

  /** One value of one layer, of layers drawn from a seed. */
  @ParameterizedTest
  @FieldSource("MODELS")
  void shouldFailWhenOneValueOfAWeightIsWrong(String golden) throws IOException {
    List<String> layers = layers(golden);
    Collections.shuffle(layers, new Random(17));
    for (String tensor : layers.subList(0, WEIGHTS_PER_MODEL)) {
      GoldenCopy copy = GoldenCopy.of(golden, temporary);
      copy.negateLargest(tensor);

      assertThat(check(copy)).as(tensor).anyMatch(RunReport::failed);
    }
  }

  /** The file's names of all layers' weights that the model reads. */
  private List<String> layers(String golden) throws IOException {
    ModelFolder folder = ModelFolder.open(GoldenCopy.ofFirstRun(golden, temporary).folder());
    try (Checkpoint checkpoint = Checkpoints.open(folder.ditWeights())) {
      CatalogModel model = ModelCatalog.describe(folder.dit(), checkpoint.names());
      TreeSet<String> tensors = new TreeSet<>();
      for (LinearSpec layer : Program.compile(model.description(), 1).linears()) {
        String name = layer.layer() + ".weight";
        var pieces = model.names().pieces(name);
        tensors.addAll(
            pieces.isEmpty()
                ? List.of(name)
                : pieces.stream().map(piece -> piece.tensor()).toList());
      }
      return new ArrayList<>(tensors);
    }
  }

  /** Fields of the configuration that change neither which weights there are nor their shape. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "dit_label_2d | {num_heads: 2}",
        "diffusers_dit | {num_attention_heads: 2, attention_head_dim: 12}",
        "latte_label | {num_heads: 2}",
        "latte_text | {num_attention_heads: 2, attention_head_dim: 12}",
        "diffusers_latte | {num_attention_heads: 2, attention_head_dim: 12}",
        "pixart_alpha | {lewei_scale: 1.0}",
        "pixart_alpha_ms | {lewei_scale: 1.0}",
        "diffusers_pixart_alpha | {interpolation_scale: 1}",
        "pixart_sigma_ms | {pe_interpolation: 1.0}",
        "diffusers_pixart_sigma | {interpolation_scale: 1}",
        "dit3d_label | {no_temporal_pos_emb: true}",
        "dit3d_label | {num_heads: 2}",
        "dit3d_text_latte | {no_temporal_pos_emb: true}",
        "pixart | {space_scale: 1.0}",
        "pixart | {base_size: 4}",
        "pixart_sigma | {space_scale: 0.5}",
        "pixart_sigma | {base_size: 16}",
        "stdit_v1 | {space_scale: 1.0}",
        "stdit_v1 | {time_scale: 0.5}",
        "stdit_v1 | {no_temporal_pos_emb: true}",
        "stdit_v2 | {qk_norm_legacy: false}",
        "stdit_v2 | {input_sq_size: 512}",
        "stdit_v3 | {input_sq_size: 256}",
        "stdit_v3_hd72 | {input_sq_size: 256}",
        "march_adaln | {num_heads: 2}",
        "march_adaln | {max_num_embeddings: 100}",
        "march_cross_attn | {num_heads: 2}",
        "march_cross_attn | {max_num_embeddings: 100}",
        "march_token_concat | {num_heads: 2}",
        "march_token_concat | {max_num_embeddings: 100}",
        "mmdit_v2_flux_fused | {use_liger_rope: true}",
        "mmdit_v2_flux_fused | {theta: 100}",
        "mmdit_v2_flux_fused | {axes_dim: [10, 4, 10]}",
        "mmdit_v2_liger_unfused | {use_liger_rope: false}",
        "mmdit_v2_liger_unfused | {axes_dim: [4, 8, 12]}"
      })
  void shouldFailWhenTheModelIsDescribedWrongly(String golden, String fields) throws IOException {
    GoldenCopy copy = GoldenCopy.of(golden, temporary);
    JsonObject wrong = JsonParser.parseString(fields).getAsJsonObject();
    copy.changeConfig(
        config -> wrong.entrySet().forEach(field -> config.add(field.getKey(), field.getValue())));

    assertThat(check(copy)).anyMatch(RunReport::failed);
  }
}
