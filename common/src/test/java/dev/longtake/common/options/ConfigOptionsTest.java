package dev.longtake.common.options;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

final class ConfigOptionsTest {
  @TempDir Path folder;

  @Command(name = "baker", mixinStandardHelpOptions = true, version = "1")
  private static final class Baker implements Runnable {
    @Mixin ConfigOptions config;

    @Option(names = "--port", paramLabel = "PORT", defaultValue = "7400")
    int port;

    @Option(names = "--oven", required = true)
    String oven = "";

    @Option(names = "--dough", converter = ByteSize.Converter.class)
    @Nullable ByteSize dough;

    @Option(names = {"-n", "--night-shift"})
    boolean night;

    @Option(names = "--flour", split = ",")
    List<String> flours = List.of();

    Baker(Map<String, String> environment) {
      config = new ConfigOptions(environment);
    }

    @Override
    public void run() {
      config.print();
    }
  }

  private Path file(String text) {
    try {
      return Files.writeString(folder.resolve("baker.yaml"), text);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static Baker parse(Map<String, String> environment, String... arguments) {
    Baker baker = new Baker(environment);
    new CommandLine(baker).parseArgs(arguments);
    return baker;
  }

  private Baker parse(String yaml, String... flags) {
    var arguments = new java.util.ArrayList<>(List.of("--config", file(yaml).toString()));
    arguments.addAll(List.of(flags));
    return parse(Map.of(), arguments.toArray(String[]::new));
  }

  @Test
  void shouldTakeEveryOptionWhenItIsAKey() {
    Baker baker =
        parse("port: 1\noven: stone\ndough: 2K\nnight-shift: true\nflour: [rye, wheat]\n");

    assertThat(baker.port).isEqualTo(1);
    assertThat(baker.oven).isEqualTo("stone");
    assertThat(baker.dough).isEqualTo(new ByteSize(2048));
    assertThat(baker.night).isTrue();
    assertThat(baker.flours).containsExactly("rye", "wheat");
    assertThat(parse("oven: stone\nflour: rye,wheat").flours).containsExactly("rye", "wheat");
  }

  @Test
  void shouldPreferFlagThenEnvironmentThenFileThenDefault() {
    String path = file("port: 1\noven: stone\n").toString();
    Map<String, String> environment = Map.of("LONGTAKE_BAKER_PORT", "2", "LONGTAKE_OTHER", "x");

    assertThat(parse(environment, "--config", path, "--port", "3").port).isEqualTo(3);
    assertThat(parse(environment, "--config", path).port).isEqualTo(2);
    assertThat(parse(Map.of(), "--config", path).port).isEqualTo(1);
    assertThat(parse(Map.of(), "--oven", "gas").port).isEqualTo(7400);
    assertThat(parse("oven: stone\nnight-shift: true", "--night-shift=false").night).isFalse();
  }

  @Test
  void shouldFindTheFileWhenTheEnvironmentNamesIt() {
    String path = file("oven: stone\n").toString();

    assertThat(parse(Map.of("LONGTAKE_BAKER_CONFIG", path)).oven).isEqualTo("stone");
  }

  @Test
  void shouldTakeAFileWithCommentsAlone() {
    assertThat(parse("# port: 1\n", "--oven", "gas").port).isEqualTo(7400);
  }

  @Test
  void shouldForgetTheFileWhenTheNextCommandLineHasNone() {
    Baker baker = new Baker(Map.of());
    CommandLine line = new CommandLine(baker);
    line.parseArgs("--config", file("port: 1\noven: stone").toString());
    line.parseArgs("--oven", "gas");

    assertThat(baker.port).isEqualTo(7400);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          prot: 1 | the keys dough, flour, night-shift, oven, port, but got the key 'prot'; the nearest is 'port' | line 2
          port: many | Expected port to be a whole number, but got 'many' | line 2
          port: [1, 2] | Expected port to be one value, but got a list | line 2
          port: | Expected port to be a value, but got '' | line 2
          dough: much | Expected dough to be a number of bytes such as 512M or 8G, but got 'much' | line 2
          night-shift: maybe | Expected night-shift to be true or false, but got 'maybe' | line 2
          flour: [{a: b}] | Expected flour to be a list of names, but it has keys with values | line 2
          oven: a | Expected every key once, but oven is there twice | line 2
          config: x.yaml | but got the key 'config' | line 2
          """)
  void shouldNameFileLineKeyAndValueWhenTheFileIsWrong(String wrong, String words, String line) {
    assertThatThrownBy(() -> parse("oven: stone\n" + wrong + "\n"))
        .isInstanceOf(ParameterException.class)
        .hasMessageContaining(words)
        .hasMessageContaining("baker.yaml, " + line);
  }

  @Test
  void shouldSayWhatIsWrongWhenTheFileIsMissing() {
    assertThatThrownBy(() -> parse(Map.of(), "--config", "none.yaml", "--oven", "gas"))
        .isInstanceOf(ParameterException.class)
        .hasMessageStartingWith("Expected --config to name a YAML file, but 'none.yaml' can't");
  }

  @Test
  void shouldNameTheVariableWhenTheEnvironmentIsWrong() {
    assertThatThrownBy(() -> parse(Map.of("LONGTAKE_BAKER_PORT", "many"), "--oven", "gas"))
        .hasMessage(
            "Expected LONGTAKE_BAKER_PORT in the environment to be a whole number, but got"
                + " \"many\"");
    assertThatThrownBy(() -> parse(Map.of("LONGTAKE_BAKER_PROT", "1"), "--oven", "gas"))
        .hasMessageContaining(
            "LONGTAKE_BAKER_PROT is none; the nearest is LONGTAKE_BAKER_PORT; rename or unset it");
  }

  @Test
  void shouldSayWhereAnOptionIsFromWhenAComplaintNamesIt() {
    Map<String, String> environment = Map.of("LONGTAKE_BAKER_DOUGH", "1K");
    String path = file("oven: stone\nport: 1\n").toString();
    Baker baker = parse(environment, "--config", path, "--oven", "gas");

    assertThat(baker.config.explain("Expected --port above 1, or --flour, but --dough"))
        .isEqualTo(
            "Expected --port above 1, or --flour, but --dough (--port is from %s, line 2, --dough is from LONGTAKE_BAKER_DOUGH)"
                .formatted(path));
    assertThat(baker.config.explain("Expected --oven")).isEqualTo("Expected --oven");
  }

  @Test
  void shouldPrintAFileThatSaysTheSameWhenAsked() {
    String path = file("oven: 'a: b'\n").toString();
    var out = new StringWriter();
    int status =
        new CommandLine(new Baker(Map.of("LONGTAKE_BAKER_FLOUR", "rye,wheat?password=x1&b=2")))
            .setOut(new PrintWriter(out))
            .execute("--config", path, "--night-shift");

    assertThat(status).isZero();
    assertThat(out.toString().lines())
        .containsExactlyInAnyOrder(
            "# dough:  # not set",
            "flour: 'rye,wheat?password=***&b=2'  # LONGTAKE_BAKER_FLOUR",
            "night-shift: true  # --night-shift",
            "oven: 'a: b'  # " + path + ", line 1",
            "port: 7400  # default");
    Baker same = parse(out.toString());
    assertThat(same.oven).isEqualTo("a: b");
    assertThat(same.night).isTrue();
  }
}
