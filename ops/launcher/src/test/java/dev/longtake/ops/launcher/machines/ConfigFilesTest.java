package dev.longtake.ops.launcher.machines;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import picocli.CommandLine;
import picocli.CommandLine.Model.OptionSpec;

/** The reference files in {@code ops/config}, which are written anew with {@code -Dlongtake.docs=write}. */
final class ConfigFilesTest {
  private static final int COLUMNS = 100;

  @TempDir Path folder;

  private static Path file(Role role) {
    return Repository.ROOT.resolve(
        "ops/config/%s.yaml".formatted(role.name().toLowerCase(Locale.ROOT)));
  }

  @ParameterizedTest
  @EnumSource
  void shouldHaveEveryOptionWhenItIsAReference(Role role) throws IOException {
    if ("write".equals(System.getProperty("longtake.docs"))) {
      Files.writeString(file(role), reference(role));
    }
    assertThat(Repository.read(file(role)))
        .as("the reference; write it with -Dlongtake.docs=write")
        .isEqualTo(reference(role));
  }

  @ParameterizedTest
  @EnumSource
  void shouldBeTakenWithAllDefaultsWhenItIsAReference(Role role) throws IOException {
    StringBuilder uncommented = new StringBuilder();
    for (OptionSpec option : role.keys()) {
      if (hasDefault(option)) {
        uncommented.append(line(option)).append('\n');
      }
    }
    Path defaults = Files.writeString(folder.resolve("defaults.yaml"), uncommented);

    // Without a worker's model, as it has no default.
    assertThat(print(role, "--config", file(role).toString()))
        .contains("port:")
        .doesNotContain(file(role).toString());
    assertThat(print(role, "--config", defaults.toString()))
        .contains("port: ")
        .contains(defaults + ", line 2");
  }

  private static String print(Role role, String... arguments) {
    StringWriter out = new StringWriter();
    CommandLine line = role.command().setOut(new PrintWriter(out)).setErr(new PrintWriter(out));
    String[] all = java.util.Arrays.copyOf(arguments, arguments.length + 2);
    all[arguments.length] = "--print-config";
    all[arguments.length + 1] =
        role == Role.WORKER ? "--model=ops/demo-model" : "--data=/var/lib/longtake";
    assertThat(line.execute(all)).as("%s", out).isZero();
    return out.toString();
  }

  private static String reference(Role role) {
    String name = role.name().toLowerCase(Locale.ROOT);
    StringBuilder text = new StringBuilder();
    text.append(
        comment(
            "Options of 'longtake %s --config FILE'. What is commented out is the default, or shows the form of what has none. A variable of the environment goes before the file, and a flag before both; --print-config shows what is in force. Written from the program's options."
                .formatted(name)));
    for (OptionSpec option : role.keys()) {
      String description = String.join(" ", option.description());
      if (option.defaultValue() != null) {
        // As the program has it, not as it is on this machine.
        description = description.replace(option.defaultValue(), option.defaultValueString());
      }
      text.append('\n').append(comment(description));
      text.append("# LONGTAKE_%s_%s\n".formatted(role.name(), variable(option)));
      text.append('#').append(line(option)).append('\n');
    }
    return text.toString();
  }

  private static String key(OptionSpec option) {
    return option.longestName().substring(2);
  }

  private static String variable(OptionSpec option) {
    return key(option).replace('-', '_').toUpperCase(Locale.ROOT);
  }

  private static boolean hasDefault(OptionSpec option) {
    return option.typeInfo().isBoolean() || option.defaultValue() != null;
  }

  private static String line(OptionSpec option) {
    String value =
        option.typeInfo().isBoolean()
            ? "false"
            : option.defaultValue() == null ? option.paramLabel() : option.defaultValueString();
    return "%s: %s".formatted(key(option), value);
  }

  private static String comment(String sentence) {
    StringBuilder text = new StringBuilder("#");
    int column = 1;
    for (String word : sentence.split(" ", -1)) {
      if (column + 1 + word.length() > COLUMNS) {
        text.append("\n#");
        column = 1;
      }
      text.append(' ').append(word);
      column += 1 + word.length();
    }
    return text.append('\n').toString();
  }
}
