package dev.longtake.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

final class CoordinatorCommandTest {
  @TempDir Path folder;

  private final StringWriter errors = new StringWriter();

  private int execute(String... arguments) {
    CommandLine command = new CommandLine(new CoordinatorCommand());
    command.setErr(new PrintWriter(errors));
    return command.execute(arguments);
  }

  @Test
  void shouldExitWithOneLineWhenThePortIsTaken() {
    try (TestCluster cluster = new TestCluster(folder.resolve("a"))) {
      String port = String.valueOf(cluster.port());

      assertThat(execute("--port", port, "--data", folder.resolve("b").toString())).isEqualTo(2);

      assertThat(errors.toString())
          .startsWith("longtake coordinator: Expected port " + port)
          .contains("--port")
          .hasLineCount(1);
    }
  }

  @Test
  void shouldExitWithOneLineWhenAnOptionIsOutOfRange() {
    String data = folder.toString();
    assertThat(execute("--data", data, "--queue-limit", "0")).isEqualTo(2);
    assertThat(execute("--data", data, "--port", "70000")).isEqualTo(2);
    assertThat(execute("--data", data, "--exchange-timeout", "0s")).isEqualTo(2);
    assertThat(execute("--data", data, "--lease", "1999ms")).isEqualTo(2);
    assertThat(execute("--data", data, "--lease", "301s")).isEqualTo(2);

    assertThat(errors.toString().lines())
        .hasSize(5)
        .allMatch(line ->
            line.startsWith("longtake coordinator: Expected --") && line.contains(", but got "));
  }

  @Test
  void shouldRefusePlainTextBeyondThisHostUnlessAskedFor() {
    assertThat(execute("--data", folder.toString(), "--host", "0.0.0.0")).isEqualTo(2);

    assertThat(errors.toString())
        .hasLineCount(1)
        .contains("Expected TLS where other hosts can connect, but --host is '0.0.0.0'")
        .contains("or --plaintext in a network that you trust");
    // The next thing that is wrong.
    assertThat(
            execute(
                "--data", folder.toString(), "--host", "0.0.0.0", "--plaintext", "--port", "-1"))
        .isEqualTo(2);
    assertThat(errors.toString()).contains("Expected --port to be 0 to 65535");
  }

  @Test
  void shouldExitWithOneLineWhenTheKeysCantBeRead() {
    String access = folder.resolve("none.yaml").toString();

    assertThat(execute("--data", folder.toString(), "--access", access)).isEqualTo(2);

    assertThat(errors.toString()).hasLineCount(1).contains("Expected --access", access);
  }

  @Test
  void shouldExitWithOneLineWhenTheDataFolderIsAFile() throws Exception {
    Path file = Files.writeString(folder.resolve("file"), "x");

    assertThat(execute("--port", "0", "--data", file.toString())).isEqualTo(2);

    assertThat(errors.toString()).contains(file.toString()).hasLineCount(1);
  }

  @Test
  void shouldReadDurationsAsPeopleTypeThem() throws Exception {
    DurationConverter converter = new DurationConverter();

    assertThat(converter.convert("500ms")).isEqualTo(Duration.ofMillis(500));
    assertThat(converter.convert("30s")).isEqualTo(Duration.ofSeconds(30));
    assertThat(converter.convert("2m")).isEqualTo(Duration.ofMinutes(2));
    assertThat(execute("--exchange-timeout", "soon")).isEqualTo(2);
    assertThat(errors.toString()).contains("such as 500ms, 30s or 2m, but got 'soon'");
  }

  @Test
  void shouldShowEveryOptionWhenAskedForHelp() {
    String usage = new CommandLine(new CoordinatorCommand()).getUsageMessage();

    assertThat(usage)
        .contains(
            "--host",
            "--port",
            "--data",
            "--queue-limit",
            "--exchange-timeout",
            "--exit-with-parent",
            "7400",
            "64");
  }
}
