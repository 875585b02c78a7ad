package dev.longtake.ops.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

class LongtakeTest {
  @TempDir Path folder;

  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();
  private final CommandLine line =
      Longtake.commandLine(/* isDebug= */ false)
          .setOut(new PrintWriter(out))
          .setErr(new PrintWriter(err));

  private void assertOneLine(int status, int expectedStatus, String... parts) {
    assertThat(status).isEqualTo(expectedStatus);
    assertThat(err.toString().lines()).hasSize(1);
    assertThat(err.toString()).startsWith("longtake: ").contains(parts);
  }

  @Test
  void shouldDescribeEveryCommandWhenHelpIsAsked() {
    assertThat(line.execute("--help")).isZero();
    for (CommandLine command : line.getSubcommands().values()) {
      String name = command.getCommandName();
      assertThat(out.toString()).containsPattern("(?m)^  " + name + " +[A-Z]");
      assertThat(command.execute("--help")).as(name).isZero();
      assertThat(out.toString()).contains("Usage: longtake " + name);
    }
    assertThat(err.toString()).isEmpty();
  }

  @Test
  void shouldCompleteCommandsAndOptionsInTheShell() throws Exception {
    assertThat(line.execute("completion")).isZero();
    String script = out.toString();
    String asked =
        script
            + "\nCOMP_WORDS=(longtake wat); COMP_CWORD=1; _complete_longtake; echo ${COMPREPLY[@]}";
    Process bash = new ProcessBuilder("bash", "-c", asked).redirectErrorStream(true).start();
    assertThat(new String(bash.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip())
        .isEqualTo("watch");
    assertThat(bash.waitFor()).isZero();
    assertThat(script).contains("--coordinator");
  }

  @Test
  void shouldPrintTheVersionWhenAsked() {
    assertThat(line.execute("--version")).isZero();
    assertThat(out.toString()).matches("longtake \\S+ \\(Java \\S+\\)\\R");
  }

  @Test
  void shouldSayWhatIsWrongOnOneLineWhenTheUsageIsWrong() {
    assertOneLine(line.execute("dmeo"), 2, "dmeo", "(see 'longtake --help')");
  }

  @Test
  void shouldAskForACommandWhenThereIsNone() {
    assertOneLine(line.execute(), 2, "(see 'longtake --help')");
  }

  @Test
  void shouldNameTheOptionWhenItIsUnknown() {
    assertOneLine(
        line.execute("demo", "a cat", "--stpes", "3"),
        2,
        "--stpes",
        "(see 'longtake demo --help')");
  }

  @Test
  void shouldRefuseTheNumberOfWorkersWhenItIsOutOfRange() {
    assertOneLine(
        line.execute("demo", "a cat", "--workers", "0"),
        2,
        "Expected --workers of 1 to 64, but got 0");
  }

  @Test
  void shouldRefuseADeviceThatIsNone() {
    assertOneLine(
        line.execute("demo", "a cat", "--device", "gpu"),
        2,
        "Expected --device to be cpu, cuda, cuda:INDEX or cuda:UUID, but got 'gpu'");
  }

  @Test
  void shouldGiveEachWorkerAGpuOfItsOwnUnlessOneIsNamed() {
    var options = new ClusterOptions();
    options.workers = 3;
    assertThat(options.requireDevices()).containsExactly("cpu", "cpu", "cpu");
    options.device = "cuda";
    assertThat(options.requireDevices()).containsExactly("cuda:0", "cuda:1", "cuda:2");
    options.device = "cuda:1";
    assertThat(options.requireDevices()).containsOnly("cuda:1").hasSize(3);
  }

  @Test
  void shouldNameTheModelFolderWhenItIsMissing() {
    Path model = folder.resolve("nowhere");
    assertOneLine(
        line.execute("up", "--model", model.toString()), 2, model + ", but there is nothing");
  }

  @Test
  void shouldNameTheMissingFileWhenTheModelFolderIsEmpty() {
    assertOneLine(
        line.execute("demo", "a", "--model", folder.toString(), "--out", folder + "/a.mp4"),
        2,
        "--model",
        "Expected model_index.json, config.json or weights in the model folder " + folder);
  }

  @Test
  void shouldSayWhatATransformerAloneLacksWhenAVideoIsWanted() throws Exception {
    Files.copy(TestModels.DEMO.resolve("dit/config.json"), folder.resolve("config.json"));
    Files.copy(
        TestModels.DEMO.resolve("dit/model.safetensors"), folder.resolve("model.safetensors"));
    assertOneLine(
        line.execute("demo", "a", "--model", folder.toString(), "--out", folder + "/a.mp4"),
        2,
        folder + " has no text encoder and no autoencoder",
        "model_index.json");
  }

  @Test
  void shouldInspectTheDemoModel() {
    assertThat(line.execute("inspect", TestModels.DEMO.toString(), "--workers", "2")).isZero();
    assertThat(out.toString()).contains("STDiT3", "verdict      complete");
  }

  @Test
  void shouldSayWhyWhenTheVideoCannotBeWritten() {
    String model = TestModels.DEMO.toString();
    assertOneLine(
        line.execute("demo", "a", "--model", model, "--out", folder.toString()),
        1,
        "it is a folder");
  }

  @Test
  void shouldTellUsageFromFailureWhenACommandThrows() {
    assertThat(report(LongtakeException.invalidField("steps", "Expected\n  steps"))).isEqualTo(2);
    assertThat(err.toString().strip()).isEqualTo("longtake: Expected steps");
    assertThat(report(new LongtakeException(ErrorCode.PROCESS_DIED, "x"))).isEqualTo(1);
    assertThat(report(new IllegalStateException("boom"))).isEqualTo(1);
    assertThat(err.toString()).contains("internal error", "IllegalStateException: boom");
  }

  private int report(Exception failure) {
    return Failures.report(failure, line, /* isDebug= */ false);
  }
}
