package dev.longtake.worker.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.gson.JsonObject;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.tensor.DType;
import dev.longtake.v1.Precision;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.DeviceChoice;
import dev.longtake.worker.device.cpu.CpuDevice;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;

/** All models and single functions against their reference. */
class ConformanceTest {
  static final List<String> MODELS =
      List.of(
          "dit_label_2d",
          "diffusers_dit",
          "dit3d_label",
          "dit3d_text_latte",
          "latte_label",
          "latte_text",
          "diffusers_latte",
          "pixart",
          "pixart_alpha",
          "pixart_alpha_ms",
          "diffusers_pixart_alpha",
          "pixart_sigma",
          "pixart_sigma_ms",
          "diffusers_pixart_sigma",
          "stdit_v1",
          "stdit_v2",
          "stdit_v3",
          "stdit_v3_hd72",
          "march_adaln",
          "march_cross_attn",
          "march_token_concat",
          "mmdit_v2_flux_fused",
          "mmdit_v2_liger_unfused");

  /**
   * Of all models the only tensors without a counterpart: tables of the rotation, which exist per rank here and whose effect is
   * compared, and a product whose second part only exists after its GELU.
   */
  private static final Map<String, Set<String>> NOT_COMPARED =
      Map.of(
          "mmdit_v2_flux_fused", Set.of("pe", "single_blocks.0.linear1"),
          "mmdit_v2_liger_unfused", Set.of("pe_cos", "pe_sin"));

  @TempDir Path temporary = Path.of("");

  private static List<RunReport> check(String golden, int workers, Precision precision) {
    return new Conformance(workers, precision, new DeviceChoice.Cpu())
        .check(GoldenFolders.golden(golden));
  }

  private static void assertComplete(String name, List<RunReport> reports) {
    try (GoldenCase golden = GoldenCase.open(GoldenFolders.golden(name))) {
      assertThat(reports)
          .extracting(RunReport::run)
          .containsExactlyElementsOf(golden.runs().stream().map(GoldenRun::name).toList());
      for (int i = 0; i < reports.size(); i++) {
        RunReport report = reports.get(i);
        Set<String> notCompared = NOT_COMPARED.getOrDefault(name, Set.of());
        Set<String> compared = new TreeSet<>(golden.runs().get(i).outputNames());
        compared.removeAll(notCompared);
        assertThat(report.failed()).as("%s", report).isFalse();
        assertThat(report.checks())
            .extracting(TensorCheck::tensor)
            .containsExactlyInAnyOrderElementsOf(compared);
        assertThat(report.notCompared().keySet()).isEqualTo(notCompared);
      }
    }
  }

  @ParameterizedTest
  @FieldSource("MODELS")
  void shouldMatchEveryTensorOfTheReferenceInFloat32(String golden) {
    assertComplete(golden, check(golden, 1, Precision.PRECISION_F32));
  }

  @ParameterizedTest
  @FieldSource("MODELS")
  void shouldComeCloseInBfloat16(String golden) {
    assumeBfloat16();
    List<RunReport> reports = check(golden, 1, Precision.PRECISION_BF16);

    assertComplete(golden, reports);
    // Rounded products must differ, or bfloat16 was not used.
    assertThat(reports)
        .allSatisfy(report ->
            assertThat(report.checks()).anyMatch(checked -> checked.maxRelativeError() > 1e-3));
  }

  /** Attention in space and time, over all patches, over all patches and text, and to the text alone. */
  @ParameterizedTest
  @ValueSource(
      strings = {"stdit_v3_hd72", "dit3d_label", "mmdit_v2_liger_unfused", "march_cross_attn"})
  void shouldMatchTheReferenceOnThreeProcesses(String golden) {
    assertComplete(golden, check(golden, 3, Precision.PRECISION_F32));
  }

  @Test
  void shouldMatchEverySingleFunction() {
    List<RunReport> reports = check("primitives", 1, Precision.PRECISION_F32);

    assertThat(reports).hasSize(25).noneMatch(RunReport::failed);
    for (RunReport report : reports) {
      // The reference has this table in float64 too, and frequencies that are weights of the
      // models.
      Set<String> withoutCounterpart =
          switch (report.run()) {
            case "timestep_table" -> Set.of("float64");
            case "rope_interleaved.12", "rope_interleaved.72" -> Set.of("freqs");
            default -> Set.of();
          };
      assertThat(report.notCompared().keySet()).as(report.run()).isEqualTo(withoutCounterpart);
    }
  }

  @Test
  void shouldRefuseFunctionsAndModelsItDoesNotKnow() throws IOException {
    GoldenCopy functions = GoldenCopy.of("primitives", temporary);
    Path manifest = functions.folder().resolve("manifest.json");
    Files.writeString(
        manifest, Files.readString(manifest).replace("\"rms_norm\"", "\"group_norm\""));
    GoldenCopy model = GoldenCopy.of("stdit_v3_hd72", temporary);
    model.changeConfig(config -> source(config).addProperty("class", "UNet"));
    Conformance conformance = new Conformance(1, Precision.PRECISION_F32, new DeviceChoice.Cpu());

    assertThatThrownBy(() -> conformance.check(functions.folder()))
        .isInstanceOf(LongtakeException.class)
        .hasMessageContaining("rms_norm")
        .hasMessageContaining("got 'group_norm'");
    assertThatThrownBy(() -> conformance.check(model.folder()))
        .isInstanceOf(LongtakeException.class)
        .hasMessageContaining("STDiT3")
        .hasMessageContaining("'UNet'");
  }

  private static JsonObject source(JsonObject config) {
    return config.getAsJsonObject("source");
  }

  private static void assumeBfloat16() {
    try (Device device = CpuDevice.open(1, 1 << 20)) {
      assumeTrue(device.supports(DType.BF16), "this processor has no bfloat16 products");
    }
  }

  @Test
  void shouldPrintBothPrecisionsBesideEachOtherAndPassOverReadme() throws IOException {
    assumeBfloat16();
    StringWriter out = new StringWriter();
    Path readme = Files.writeString(temporary.resolve("README.md"), "of the cases");

    int status =
        new CommandLine(new ConformanceCommand())
            .setOut(new PrintWriter(out))
            .execute(
                "--precision",
                "both",
                readme.toString(),
                GoldenFolders.golden("stdit_v3_hd72").toString());

    assertThat(status).isZero();
    assertThat(out.toString())
        .containsPattern("output +f32 +[0-9.e-]+ pass  bf16 +[0-9.e-]+ = +0\\.[0-9]+ spacings pass")
        .contains("2 runs in both precisions: 0 failed in f32, 0 in bf16");
  }

  @Test
  void shouldNameTheFileWhenACaseIsIncomplete() throws IOException {
    Path copy = GoldenCopy.of("stdit_v3_hd72", temporary).folder();
    Files.delete(copy.resolve("outputs.safetensors"));

    assertThatThrownBy(
            () -> new Conformance(1, Precision.PRECISION_F32, new DeviceChoice.Cpu()).check(copy))
        .isInstanceOf(LongtakeException.class)
        .hasMessageContaining("outputs.safetensors");
  }
}
