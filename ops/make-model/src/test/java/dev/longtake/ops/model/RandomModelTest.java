package dev.longtake.ops.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.longtake.common.checkpoint.Checkpoint;
import dev.longtake.common.checkpoint.Checkpoints;
import dev.longtake.common.checkpoint.TensorInfo;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.model.DitConfig;
import dev.longtake.common.model.ModelFolder;
import dev.longtake.common.tensor.DType;
import dev.longtake.worker.engine.model.CatalogModel;
import dev.longtake.worker.engine.model.ModelCatalog;
import dev.longtake.worker.engine.program.Program;
import dev.longtake.worker.engine.program.ProgramCheck;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;

class RandomModelTest {
  private static final Path GOLDEN = Path.of("../../shard-worker/src/test/resources/golden");

  @TempDir private Path folder;

  private static RandomModel golden(String name) {
    return RandomModel.read(GOLDEN.resolve(name).resolve("config.json"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "dit_label_2d",
        "dit3d_label",
        "dit3d_text_latte",
        "march_adaln",
        "march_cross_attn",
        "march_token_concat",
        "stdit_v1",
        "stdit_v2",
        "stdit_v3"
      })
  void shouldHaveWhatTheArchitectureNeedsWhenItIsWritten(String name) {
    RandomModel model = golden(name);
    long bytes = model.write(folder, DType.BF16, 1 << 14, 1);
    ModelFolder opened = ModelFolder.open(folder);
    try (Checkpoint checkpoint = Checkpoints.open(opened.ditWeights())) {
      CatalogModel catalog = ModelCatalog.describe(opened.dit(), checkpoint.names());
      ProgramCheck.require(Program.compile(catalog.description(), 1), catalog.weights(checkpoint));
      assertThat(
              checkpoint.names().stream()
                  .mapToLong(tensor -> checkpoint.info(tensor).orElseThrow().sizeBytes())
                  .sum())
          .isEqualTo(bytes);
    }
  }

  /** Names and shapes are those of the reference's own weights. */
  @ParameterizedTest
  @ValueSource(strings = {"march_token_concat", "stdit_v3", "stdit_v2"})
  void shouldMatchTheReferenceWhenShapesAreCompared(String name) {
    golden(name).write(folder, DType.F32, 1 << 20, 1);
    try (Checkpoint ours = Checkpoints.open(ModelFolder.open(folder).ditWeights());
        Checkpoint theirs = Checkpoints.open(ModelFolder.open(GOLDEN.resolve(name)).ditWeights())) {
      for (String tensor : ours.names()) {
        assertThat(theirs.info(tensor).map(TensorInfo::shape))
            .as(tensor)
            .isEqualTo(ours.info(tensor).map(TensorInfo::shape));
      }
    }
  }

  @Test
  void shouldDrawTheSameNumbersInWhateverPieces() {
    RandomTensor tensor = RandomTensor.of("a.weight", 7, DType.F32, 1, 0.5f);
    float[] whole = new float[1000];
    tensor.write(0, MemorySegment.ofArray(whole));
    float[] part = new float[10];
    tensor.write(4 * 500, MemorySegment.ofArray(part));
    double mean = 0;
    double square = 0;
    for (int i = 0; i < whole.length; i++) {
      mean += whole[i] / whole.length;
      square += (whole[i] - 1) * (whole[i] - 1) / whole.length;
    }
    for (int i = 0; i < part.length; i++) {
      assertThat(part[i]).isEqualTo(whole[500 + i]);
    }
    assertThat(mean).isBetween(0.95, 1.05);
    assertThat(Math.sqrt(square)).isBetween(0.45, 0.55);
    float[] other = new float[1000];
    RandomTensor.of("b.weight", 7, DType.F32, 1, 0.5f).write(0, MemorySegment.ofArray(other));
    assertThat(other).isNotEqualTo(whole);
  }

  @Test
  void shouldKeepRealFrequenciesWhenWeightsAreBfloat16() {
    golden("stdit_v3").write(folder, DType.BF16, 1 << 20, 1);
    try (Checkpoint checkpoint = Checkpoints.open(ModelFolder.open(folder).ditWeights());
        Arena arena = Arena.ofConfined()) {
      MemorySegment frequencies = checkpoint.bytes("rope.freqs", arena);
      assertThat(checkpoint.info("rope.freqs").orElseThrow().dtype()).isEqualTo(DType.F32);
      assertThat(frequencies.get(ValueLayout.JAVA_FLOAT_UNALIGNED, 0)).isEqualTo(1f);
      long count = frequencies.byteSize() / 4;
      assertThat(frequencies.getAtIndex(ValueLayout.JAVA_FLOAT_UNALIGNED, 1))
          .isEqualTo((float) Math.pow(10_000, -1.0 / count));
    }
  }

  @Test
  void shouldHaveOneBillionParametersWhenItIsTheFullModel() {
    RandomModel full = RandomModel.stdit3Full();
    assertThat(full.parameters()).isBetween(1_100_000_000L, 1_300_000_000L);
    assertThat(full.program().weightBytes(DType.F32)).isEqualTo(4 * full.parameters());
    assertThat(full.program().weightBytes(DType.BF16)).isLessThan(2_500_000_000L);
  }

  @Test
  void shouldWriteAFolderWhenItIsACommand() {
    StringWriter out = new StringWriter();
    int status =
        new CommandLine(new MakeModelCommand())
            .setOut(new PrintWriter(out))
            .execute(
                folder.toString(),
                "--config",
                GOLDEN.resolve("stdit_v3/config.json").toString(),
                "--dtype",
                "bf16",
                "--shard-bytes",
                "64K");
    assertThat(status).isZero();
    assertThat(out.toString()).contains("STDiT3", "in bf16");
    assertThat(Files.isRegularFile(folder.resolve("model.safetensors.index.json"))).isTrue();
    assertThat(DitConfig.read(folder.resolve("config.json")).architecture()).isEqualTo("STDiT3");
  }

  @Test
  void shouldRefuseATypeThatIsNeitherFloat32NorBfloat16() {
    assertThatThrownBy(() -> golden("stdit_v3").write(folder, DType.I8, 1, 1))
        .isInstanceOf(LongtakeException.class)
        .hasMessageContaining("I8");
  }
}
