package dev.longtake.ops.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.tensor.DType;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class StepBenchmarkTest {
  private static final Path HOME = Path.of("../..").toAbsolutePath();
  private static final StepSizes TINY =
      new StepSizes(
          /* channels= */ 48,
          /* heads= */ 2,
          /* pairs= */ 1,
          /* textTokens= */ 5,
          List.of(new StepClip(3, 2, 3), new StepClip(2, 3, 3)),
          /* rounds= */ 1,
          /* demoRounds= */ 1,
          /* demoWarmUps= */ 0);

  private final List<String> notes = new ArrayList<>();

  private Map<String, Figure> run(StepOptions step) {
    return new StepBenchmark(TINY, HOME)
        .run(new BenchOptions(List.of(), 0, null, 0, 0, 1, step, notes::add)).stream()
            .collect(Collectors.toMap(Figure::name, figure -> figure));
  }

  private static double value(Map<String, Figure> figures, String name) {
    return Objects.requireNonNull(figures.get("step." + name), name).value();
  }

  @Test
  @Tag("long")
  void shouldCompareWithPytorchWhenItIsInstalled() {
    Assumptions.assumeTrue(TorchPeer.whyMissing("python3").isEmpty());
    Map<String, Figure> figures =
        run(new StepOptions(true, "python3", List.of(), List.of(DType.F32)));
    double least = Double.POSITIVE_INFINITY;
    for (String size : List.of("3x6", "2x9")) {
      double ours = value(figures, "f32." + size + ".seconds");
      double ratio = value(figures, "f32." + size + ".ratio_to_torch_eager");
      assertThat(ratio)
          .isEqualTo(value(figures, "f32." + size + ".torch_eager_seconds") / ours)
          .isPositive();
      assertThat(value(figures, "f32." + size + ".error")).isBetween(1e-12, 1e-4);
      assertThat(value(figures, "two_workers." + size + ".ratio_to_gloo")).isPositive();
      assertThat(value(figures, "two_workers." + size + ".error")).isBetween(1e-12, 1e-4);
      least = Math.min(least, ratio);
    }
    assertThat(value(figures, "f32.ratio_to_torch_eager")).isEqualTo(least);
    assertThat(value(figures, "f32.peak_memory_to_torch_eager")).isPositive();
    assertThat(value(figures, "two_workers.ratio_to_gloo")).isPositive();
    assertThat(value(figures, "demo.ratio_to_torch")).isPositive();
    // Where there is no C++ compiler, the note says so.
    assertThat(figures.containsKey("step.f32.ratio_to_torch_compiled")).isEqualTo(notes.isEmpty());
  }

  @Test
  @Tag("long")
  void shouldAgreeWithTheReferenceCasesWhenPytorchComputesThem() throws Exception {
    Assumptions.assumeTrue(TorchPeer.whyMissing("python3").isEmpty());
    Path golden = HOME.resolve("shard-worker/src/test/resources/golden");
    Process check =
        new ProcessBuilder(
                "python3",
                HOME.resolve("ops/bench/peers/check.py").toString(),
                golden.resolve("stdit_v3").toString(),
                golden.resolve("stdit_v3_hd72").toString())
            .redirectErrorStream(true)
            .start();
    String output = new String(check.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(check.waitFor(1, TimeUnit.MINUTES)).isTrue();
    assertThat(check.exitValue()).as(output).isZero();
    assertThat(output.lines().filter(line -> line.endsWith("ok"))).hasSize(7);
  }

  @Test
  @Tag("long")
  void shouldMeasureItselfAndSaySoWhenThereIsNoPytorch(@TempDir Path folder) throws IOException {
    Map<String, Figure> figures =
        run(new StepOptions(true, withoutTorch(folder), List.of(), List.of(DType.F32)));
    assertThat(notes).hasSize(1);
    assertThat(notes.getFirst()).startsWith("PyTorch is not installed for '" + folder);
    assertThat(value(figures, "f32.3x6.seconds")).isPositive();
    assertThat(value(figures, "two_workers.2x9.seconds")).isPositive();
    assertThat(figures.keySet()).noneMatch(name -> name.contains("torch"));
  }

  private static String withoutTorch(Path folder) throws IOException {
    Path python = folder.resolve("python3");
    Files.writeString(
        python,
        """
        #!/bin/sh
        echo 'Traceback'
        echo "ModuleNotFoundError: No module named 'torch'"
        exit 1
        """);
    Files.setPosixFilePermissions(python, PosixFilePermissions.fromString("rwx------"));
    return python.toString();
  }

  @Test
  void shouldSayWhyInASentenceWhenPytorchIsMissing(@TempDir Path folder) throws IOException {
    assertThat(TorchPeer.whyMissing(withoutTorch(folder)))
        .hasValueSatisfying(why ->
            assertThat(why)
                .contains("(ModuleNotFoundError: No module named 'torch')")
                .endsWith("install it, or name another interpreter with --python"));
    assertThat(TorchPeer.whyMissing(folder.resolve("nothing").toString()))
        .hasValueSatisfying(why -> assertThat(why).contains("it cannot be started"));
  }

  @Test
  void shouldPassOnWhatPytorchSaysWhenItFails(@TempDir Path folder) throws IOException {
    Path python = folder.resolve("python3");
    Files.writeString(python, "#!/bin/sh\necho noise\necho '{\"error\": \"no compiler\"}'\n");
    Files.setPosixFilePermissions(python, PosixFilePermissions.fromString("rwx------"));
    assertThatThrownBy(
            () -> TorchPeer.start(python.toString(), folder, folder, List.of(), 1, folder))
        .isInstanceOf(LongtakeException.class)
        .hasMessage("Expected PyTorch to run, but it says: no compiler");
    Files.writeString(python, "#!/bin/sh\necho '{\"ready\": \"yes\"}'\n");
    try (TorchPeer peer =
        TorchPeer.start(python.toString(), folder, folder, List.of(), 1, folder)) {
      assertThatThrownBy(peer::run)
          .isInstanceOf(LongtakeException.class)
          .hasMessageContaining("ended");
    }
  }

  @Test
  void shouldRefuseWithASentenceWhenOptionsAreWrong() {
    for (String size : List.of("16", "0x4", "16x", "16*256", "16x-1", "16x0")) {
      assertThatThrownBy(() -> StepOptions.parse(false, "python3", List.of(size), List.of()))
          .isInstanceOf(LongtakeException.class)
          .hasMessageContaining("as in 16x256, but got '" + size + "'");
    }
    assertThatThrownBy(() -> StepOptions.parse(false, "python3", List.of(), List.of("f16")))
        .isInstanceOf(LongtakeException.class)
        .hasMessageContaining("Expected f32 or bf16, but got 'f16'");
    StepOptions options =
        StepOptions.parse(true, "python3", List.of("15x1590", "15x1590"), List.of("F32"));
    assertThat(options.clips()).containsExactly(new StepClip(15, 30, 53));
    assertThat(options.types()).containsExactly(DType.F32);
  }

  @Test
  void shouldRefuseATurnWhenItsResultDisagrees() {
    Turns turns = new Turns(0.01);
    turns.add("ours", () -> new Turns.Outcome(1, new float[] {1, -2}));
    turns.add("theirs", () -> new Turns.Outcome(3, new float[] {1, -2.01f}));
    turns.run(1, 2);
    assertThat(turns.seconds("theirs") / turns.seconds("ours")).isEqualTo(3);
    assertThat(turns.worstError()).isCloseTo(0.005, within(1e-6));
    for (float[] wrong :
        List.of(new float[] {1, -2.1f}, new float[] {1}, new float[] {Float.NaN, -2})) {
      turns.add("wrong", () -> new Turns.Outcome(1, wrong));
      assertThatThrownBy(() -> turns.run(0, 1))
          .isInstanceOf(LongtakeException.class)
          .hasMessageContaining("Expected wrong to agree with ours within 1.0e-02");
    }
  }
}
