package dev.longtake.worker.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.tensor.DType;
import dev.longtake.v1.Precision;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.cpu.CpuDevice;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ConformanceTest {
  @TempDir Path temporary = Path.of("");

  private static List<RunReport> check(String golden, int workers, Precision precision) {
    return new Conformance(workers, precision).check(GoldenFolders.golden(golden));
  }

  @ParameterizedTest
  @ValueSource(strings = {"stdit_v3", "stdit_v3_hd72", "sampler_rflow"})
  void shouldMatchTheReferenceInFloat32(String golden) {
    List<RunReport> reports = check(golden, 1, Precision.PRECISION_F32);

    assertThat(reports).isNotEmpty().allSatisfy(ConformanceTest::assertComplete);
  }

  private static void assertComplete(RunReport report) {
    assertThat(report.failed()).as("%s", report).isFalse();
    assertThat(report.isLater()).as("%s", report).isFalse();
    assertThat(report.notCompared()).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(strings = {"stdit_v3", "stdit_v3_hd72", "sampler_rflow"})
  void shouldComeCloseInBfloat16(String golden) {
    try (Device device = CpuDevice.open(1, 1 << 20)) {
      assumeTrue(device.supports(DType.BF16), "this processor has no bfloat16 products");
    }
    List<RunReport> reports = check(golden, 1, Precision.PRECISION_BF16);

    assertThat(reports).isNotEmpty().noneMatch(RunReport::failed);
    // Rounded products must differ, or bfloat16 was not used.
    assertThat(reports)
        .anySatisfy(report ->
            assertThat(report.checks()).anyMatch(checked -> checked.maxRelativeError() > 1e-4));
  }

  @Test
  void shouldMatchTheReferenceOnThreeProcesses() {
    List<RunReport> reports = check("stdit_v3_hd72", 3, Precision.PRECISION_F32);

    assertThat(reports).hasSize(2).allSatisfy(ConformanceTest::assertComplete);
  }

  @Test
  void shouldMatchSingleFunctionsAndNameThoseThatComeLater() {
    List<RunReport> reports = check("primitives", 1, Precision.PRECISION_F32);

    assertThat(reports).noneMatch(RunReport::failed);
    assertThat(reports.stream().filter(report -> !report.isLater()).map(RunReport::run))
        .contains("layer_norm", "rms_norm", "activations", "timestep_table", "patch_embed_3d");
    assertThat(reports.stream().filter(RunReport::isLater)).isNotEmpty();
  }

  @Test
  void shouldFailWhenAWeightIsWrong() throws IOException {
    Path copy = copyOf("stdit_v3_hd72");
    Path weights = copy.resolve("weights.safetensors");
    byte[] bytes = Files.readAllBytes(weights);
    // The highest byte of the last value's exponent.
    bytes[bytes.length - 1] ^= 0x01;
    Files.write(weights, bytes);

    List<RunReport> reports = new Conformance(1, Precision.PRECISION_F32).check(copy);

    assertThat(reports).anyMatch(RunReport::failed);
  }

  @Test
  void shouldNameTheFileWhenACaseIsIncomplete() throws IOException {
    Path copy = copyOf("stdit_v3_hd72");
    Files.delete(copy.resolve("outputs.safetensors"));

    assertThatThrownBy(() -> new Conformance(1, Precision.PRECISION_F32).check(copy))
        .isInstanceOf(LongtakeException.class)
        .hasMessageContaining("outputs.safetensors");
  }

  private Path copyOf(String golden) throws IOException {
    Path copy = Files.createDirectory(temporary.resolve(golden));
    try (Stream<Path> files = Files.list(GoldenFolders.golden(golden))) {
      for (Path file : files.toList()) {
        Files.copy(file, copy.resolve(String.valueOf(file.getFileName())));
      }
    }
    return copy;
  }
}
