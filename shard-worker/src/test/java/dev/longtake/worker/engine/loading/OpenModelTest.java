package dev.longtake.worker.engine.loading;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.longtake.common.checkpoint.SafetensorsFile;
import dev.longtake.common.checkpoint.SafetensorsWriter;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.model.ModelFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class OpenModelTest {
  @TempDir Path folder = Path.of("");

  private static Path weights(String golden) {
    return GoldenWeights.folder(golden).resolve("weights.safetensors");
  }

  /** A folder with the configuration of one case, some of it replaced, and the weights of another. */
  private Path mixed(String config, String from, String to, String weights) throws IOException {
    String json = Files.readString(GoldenWeights.folder(config).resolve("config.json"));
    assertThat(json).contains(from);
    Files.writeString(folder.resolve("config.json"), json.replace(from, to));
    Files.copy(weights(weights), folder.resolve("weights.safetensors"));
    return folder;
  }

  private static void assertRefused(Path model, String... parts) {
    assertThatThrownBy(() -> OpenModel.open(ModelFolder.open(model)).close())
        .isInstanceOf(LongtakeException.class)
        .hasMessageContainingAll(parts);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "diffusers_dit",
        "diffusers_latte",
        "diffusers_pixart_alpha",
        "diffusers_pixart_sigma",
        "dit3d_label",
        "dit3d_text_latte",
        "dit_label_2d",
        "latte_label",
        "latte_text",
        "march_adaln",
        "march_cross_attn",
        "march_token_concat",
        "mmdit_v2_flux_fused",
        "mmdit_v2_liger_unfused",
        "pixart",
        "pixart_alpha",
        "pixart_alpha_ms",
        "pixart_sigma",
        "stdit_v1",
        "stdit_v2",
        "stdit_v3",
        "stdit_v3_hd72"
      })
  void shouldUseOrKnowEveryTensorOfEveryCase(String golden) {
    try (OpenModel model = OpenModel.open(ModelFolder.open(GoldenWeights.folder(golden)))) {
      assertThat(model.inventory().isComplete()).isTrue();
      assertThat(Family.of(model.file().names()))
          .hasValueSatisfying(
              family -> assertThat(family.hasArchitecture(model.config().architecture())).isTrue());
      assertThat(PositionTables.check(model)).allMatch(PositionTables.Check::agrees);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "stdit_v3, STDiT3, STDiT3, stdit_v2, STDiT2 (Open-Sora 1.1)",
    "stdit_v1, STDiT, STDiT, stdit_v2, STDiT2 (Open-Sora 1.1)",
    "pixart, PixArtMS, PixArtMS, stdit_v1, STDiT (Open-Sora 1.0)",
    "march_adaln, DiT, DiT, stdit_v1, STDiT (Open-Sora 1.0)",
  })
  void shouldNameBothWhenConfigurationAndTensorsAreOfDifferentFamilies(
      String config, String from, String to, String weights, String family) throws IOException {
    Path model = mixed(config, from, to, weights);

    assertRefused(model, model.resolve("config.json").toString(), from, "those of " + family);
  }

  @Test
  void shouldNameFileAndTensorWhenOneIsUnknown() throws IOException {
    Files.copy(
        GoldenWeights.folder("stdit_v3_hd72").resolve("config.json"),
        folder.resolve("config.json"));
    Path file = folder.resolve("weights.safetensors");
    try (SafetensorsFile all = SafetensorsFile.open(weights("stdit_v3_hd72"))) {
      SafetensorsWriter writer = new SafetensorsWriter();
      for (String name : all.names()) {
        var info = all.info(name).orElseThrow();
        writer.add(name, info.dtype(), info.shape(), all.bytes(name));
      }
      writer.addF32("spatial_blocks.0.lora.weight", new float[2], 2).write(file);
    }

    assertRefused(folder, file.toString(), "\"spatial_blocks.0.lora.weight\"", "STDiT3");
  }

  @Test
  void shouldRefuseMoreBlocksThanThereAreTensors() throws IOException {
    Path model = mixed("stdit_v3", "\"depth\": 2", "\"depth\": 2000000000", "stdit_v3");

    assertRefused(model, "\"depth\" 2000000000", model.resolve("config.json").toString());
  }

  @Test
  void shouldSeeThatAStoredTableHasAnotherScale() throws IOException {
    Path model = mixed("stdit_v1", "\"space_scale\": 0.5", "\"space_scale\": 0.75", "stdit_v1");

    try (OpenModel open = OpenModel.open(ModelFolder.open(model))) {
      assertThat(PositionTables.check(open))
          .filteredOn(check -> !check.agrees())
          .extracting(PositionTables.Check::tensor)
          .containsExactly("pos_embed");
    }
  }
}
