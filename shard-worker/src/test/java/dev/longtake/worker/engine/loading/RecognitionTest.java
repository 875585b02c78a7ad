package dev.longtake.worker.engine.loading;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.model.DitConfig;
import dev.longtake.common.model.ModelFolder;
import dev.longtake.worker.engine.exec.Tables;
import dev.longtake.worker.engine.model.CatalogModel;
import dev.longtake.worker.engine.model.ModelCatalog;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Configurations of the published sizes must come back from the shapes that they lead to. */
class RecognitionTest {
  private static final String XL =
      "\"hidden_size\": 1152, \"num_heads\": 16, \"depth\": 28, \"in_channels\": 4, \"mlp_ratio\":"
          + " 4.0,";

  private static final String CAPTION = "\"caption_channels\": 4096, \"model_max_length\": 300,";

  @TempDir Path folder = Path.of("");

  private static CatalogModel describe(String json, Set<String> names) {
    JsonObject keys = JsonParser.parseString(json).getAsJsonObject();
    return ModelCatalog.describe(DitConfig.of(Path.of("config.json"), keys), names);
  }

  /** A configuration that stands for weights without one; made by opening some. */
  private DitConfig absent() {
    try {
      Path weights = folder.resolve("weights.pth");
      Files.write(weights, new byte[] {1});
      return ModelFolder.open(weights).dit();
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private void assertComesBack(String json, Set<String> names, ShapesOnly checkpoint) {
    DitConfig derived = Recognition.complete(absent(), checkpoint);

    assertThat(ModelCatalog.describe(derived, checkpoint.names()).description())
        .isEqualTo(describe(json, names).description());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"model_type\": \"STDiT3\","
            + XL
            + CAPTION
            + "\"patch_size\": [1, 2, 2], \"qk_norm\": true}",
        "{\"model_type\": \"STDiT2\","
            + XL
            + CAPTION
            + "\"patch_size\": [1, 2, 2], \"qk_norm\": true, \"input_sq_size\": 512}",
        "{\"model_type\": \"DiT\"," + XL + "\"patch_size\": 2, \"num_classes\": 1000}",
        "{\"model_type\": \"DiT\", \"hidden_size\": 384, \"num_heads\": 6, \"depth\": 12,"
            + " \"in_channels\": 4,\"patch_size\": 8, \"num_classes\": 10, \"learn_sigma\": false}",
        "{\"model_type\": \"DiT\","
            + XL
            + "\"patch_size\": 2, \"text_embed_dim\": 512, \"model_arch\": \"cross-attn\"}",
        "{\"model_type\": \"MMDiTModel\", \"hidden_size\": 3072, \"num_heads\": 24, \"depth\":"
            + " 19,\"depth_single_blocks\": 38, \"in_channels\": 64, \"vec_in_dim\": 768,"
            + " \"context_in_dim\": 4096,\"mlp_ratio\": 4.0, \"axes_dim\": [16, 56, 56], \"theta\":"
            + " 10000, \"cond_embed\": true,\"fused_qkv\": false, \"use_liger_rope\": true,"
            + " \"patch_size\": 2}",
        "{\"_class_name\": \"PixArtTransformer2DModel\", \"num_attention_heads\": 16,"
            + " \"attention_head_dim\": 72,\"in_channels\": 4, \"out_channels\": 8, \"num_layers\":"
            + " 28, \"patch_size\": 2,\"caption_channels\": 4096, \"sample_size\": 128,"
            + " \"use_additional_conditions\": true,\"interpolation_scale\": 2}",
        "{\"_class_name\": \"LatteTransformer3DModel\", \"num_attention_heads\": 16,"
            + " \"attention_head_dim\": 72,\"in_channels\": 4, \"out_channels\": 8, \"num_layers\":"
            + " 28, \"patch_size\": 2,\"caption_channels\": 4096, \"sample_size\": 64}",
      })
  void shouldDeriveTheConfigurationWhenTheModelIsPublished(String json) {
    CatalogModel model = describe(json, Set.of());

    assertComesBack(json, Set.of(), ShapesOnly.of(model));
  }

  @Test
  void shouldDeriveTheConfigurationOfAFusedMmdit() {
    String json =
        """
        {"model_type": "MMDiTModel", "hidden_size": 3072, "num_heads": 24, "depth": 2, "depth_single_blocks": 3,
         "in_channels": 64, "vec_in_dim": 768, "context_in_dim": 4096, "mlp_ratio": 4.0, "axes_dim": [16, 56, 56],
         "guidance_embed": true, "patch_size": 2}
        """;
    Set<String> fused = Set.of("single_blocks.0.linear1.weight");

    assertComesBack(json, fused, ShapesOnly.of(describe(json, fused)));
  }

  @ParameterizedTest
  @CsvSource({"0.5, 32", "1, 64", "2, 128", "4, 256"})
  void shouldReadPixArtsScaleFromItsStoredTable(double scale, int inputSize) {
    String json =
        "{\"model_type\": \"PixArt\","
            + XL
            + "\"caption_channels\": 4096, \"model_max_length\": 120,"
            + "\"patch_size\": 2, \"input_size\": %d, \"pe_interpolation\": %s}"
                .formatted(inputSize, scale);
    int side = inputSize / 2;
    ShapesOnly checkpoint =
        ShapesOnly.of(describe(json, Set.of()))
            .add("pos_embed", Tables.positions(side, side, 1152, scale, 0), 1152);

    assertComesBack(json, Set.of(), checkpoint);
  }

  @Test
  void shouldReadStditsScalesFromItsStoredTables() {
    String json =
        "{\"model_type\": \"STDiT\","
            + XL
            + "\"caption_channels\": 4096, \"model_max_length\": 120,\"patch_size\": [1, 2, 2],"
            + " \"space_scale\": 1.0, \"time_scale\": 0.6666666666666666}";
    ShapesOnly checkpoint =
        ShapesOnly.of(describe(json, Set.of()))
            .add("pos_embed", Tables.positions(32, 32, 1152, 1, 0), 1152)
            .add("pos_embed_temporal", Tables.framePositions(64, 1152, 2.0 / 3), 1152);

    assertComesBack(json, Set.of(), checkpoint);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "stdit_v1             | num_heads                          | \"space_scale\":0.5",
        "stdit_v2             | input_sq_size                      | \"num_heads\":4",
        "stdit_v3_hd72        | input_sq_size                      | \"mlp_ratio\":0.5",
        "pixart               | num_heads                          | \"model_type\":\"PixArtMS\"",
        "dit_label_2d         | num_heads                          | \"num_classes\":13",
        "dit3d_label          | model_type (DiT or Latte)          | \"condition\":\"label_11\"",
        "march_adaln          | model_arch (adaln or token-concat) | \"text_embed_dim\":40",
        "mmdit_v2_flux_fused  | patch_size, axes_dim, theta        | \"num_heads\":2",
        "mmdit_v2_liger_unfused | axes_dim, theta                  | \"patch_size\":2",
        "latte_label          | num_heads                          | \"model_type\":\"Latte\"",
        "pixart_alpha_ms      | num_heads                          | \"pe_interpolation\":2.0",
        "diffusers_dit        | sample_size                        | \"num_embeds_ada_norm\":13",
      })
  void shouldSayWhichKeysTheTensorsDoNotTell(String golden, String keys, String told)
      throws Exception {
    Path weights =
        Files.copy(
            GoldenWeights.folder(golden).resolve("weights.safetensors"),
            folder.resolve(golden + ".safetensors"));

    assertThatThrownBy(() -> OpenModel.open(ModelFolder.open(weights)).close())
        .isInstanceOf(LongtakeException.class)
        .hasMessageContainingAll("config.json beside " + weights, keys, told);
  }

  @Test
  void shouldRunSigmaWithoutAConfigurationWhenItsTensorsTellAll() throws Exception {
    Path weights =
        Files.copy(
            GoldenWeights.folder("pixart_sigma").resolve("weights.safetensors"),
            folder.resolve("w.safetensors"));

    try (OpenModel model = OpenModel.open(ModelFolder.open(weights));
        OpenModel configured =
            OpenModel.open(ModelFolder.open(GoldenWeights.folder("pixart_sigma")))) {
      assertThat(model.description()).isEqualTo(configured.description());
    }
  }

  @Test
  void shouldNameTheNearestFamilyWhenTensorsAreMissing() {
    ShapesOnly checkpoint =
        ShapesOnly.of(
                describe(
                    "{\"model_type\": \"STDiT3\"," + XL + CAPTION + "\"patch_size\": [1, 2, 2]}",
                    Set.of()))
            .remove("fps_embedder.mlp.0.weight");

    assertThatThrownBy(() -> Recognition.complete(absent(), checkpoint))
        .isInstanceOf(LongtakeException.class)
        .hasMessageContainingAll(
            "weights.pth", "closest to STDiT3", "\"fps_embedder.mlp.0.weight\"");
  }

  @Test
  void shouldSaySoWhenTheTensorsAreOfNoKnownFamily() {
    ShapesOnly checkpoint = new ShapesOnly().add("model.layers.0.mlp.weight", List.of(2L, 2L));

    assertThatThrownBy(() -> Recognition.complete(absent(), checkpoint))
        .isInstanceOf(LongtakeException.class)
        .hasMessageContainingAll("known family", "\"model.layers.0.mlp.weight\"");
  }

  @Test
  void shouldNameTheBlockWhenOneIsMissingInBetween() {
    ShapesOnly checkpoint =
        ShapesOnly.of(
            describe(
                "{\"model_type\": \"DiT\"," + XL + "\"patch_size\": 2, \"num_classes\": 10}",
                Set.of()));
    checkpoint.add("blocks.123456789.attn.qkv.weight", List.of(1L));

    assertThatThrownBy(() -> Recognition.complete(absent(), checkpoint))
        .isInstanceOf(LongtakeException.class)
        .hasMessageContaining("blocks.28 is missing");
  }
}
