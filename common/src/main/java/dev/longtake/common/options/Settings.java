package dev.longtake.common.options;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.error.NearNames;
import dev.longtake.common.error.Quoted;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParameterException;

/** What a file and the environment say of a command's options, each value checked on its own as its option would take it. */
final class Settings {
  private static final String PREFIX = "LONGTAKE_";

  /** How our converters complain. */
  private static final Pattern EXPECTED = Pattern.compile("Expected (.+), but got");

  private Settings() {}

  /** The options that can be set so: all but help, version and what says where to look. */
  static List<OptionSpec> keys(CommandSpec command) {
    return command.options().stream()
        .filter(option ->
            !option.usageHelp()
                && !option.versionHelp()
                && !option.longestName().equals(ConfigOptions.FILE_OPTION)
                && !option.longestName().equals(ConfigOptions.PRINT_OPTION))
        .toList();
  }

  /** The key of an option in a file. */
  static String key(OptionSpec option) {
    return option.longestName().replaceFirst("^--", "");
  }

  /** The variable of an option in the environment. */
  static String variable(CommandSpec command, String option) {
    return prefix(command)
        + option.replaceFirst("^--", "").replace('-', '_').toUpperCase(Locale.ROOT);
  }

  private static String prefix(CommandSpec command) {
    return PREFIX + command.name().toUpperCase(Locale.ROOT) + "_";
  }

  /**
   * Reads both.
   *
   * @return by the option's name, with its dashes
   * @throws LongtakeException INVALID_REQUEST, naming what is wrong and where
   */
  static Map<String, Setting> read(
      CommandSpec command, @Nullable Path file, Map<String, String> environment) {
    Map<String, Setting> settings = new HashMap<>();
    if (file != null) {
      YamlMap.readIfAny(file.toString(), text(file))
          .ifPresent(yaml -> settings.putAll(ofFile(command, yaml)));
    }
    settings.putAll(ofEnvironment(command, environment));
    return settings;
  }

  private static String text(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw LongtakeException.invalidField(
          ConfigOptions.FILE_OPTION,
          "Expected %s to name a YAML file, but '%s' can't be read: %s"
              .formatted(ConfigOptions.FILE_OPTION, file, Quoted.line(e.toString())));
    }
  }

  private static Map<String, Setting> ofFile(CommandSpec command, YamlMap yaml) {
    Map<String, OptionSpec> options =
        keys(command).stream().collect(Collectors.toMap(Settings::key, Function.identity()));
    yaml.allow(keys(command).stream().map(Settings::key).sorted().toArray(String[]::new));
    Map<String, Setting> settings = new HashMap<>();
    for (String key : yaml.keys()) {
      // Others are refused above.
      OptionSpec option = Objects.requireNonNull(options.get(key));
      boolean isList = !option.splitRegex().isEmpty();
      if (!isList && !yaml.isText(key)) {
        throw yaml.invalid(key, "one value");
      }
      String value = String.join(",", yaml.texts(key));
      String expected = complaint(option, value);
      if (expected != null) {
        throw yaml.invalid(key, expected);
      }
      settings.put(option.longestName(), new Setting(value, yaml.place(key)));
    }
    return settings;
  }

  private static Map<String, Setting> ofEnvironment(
      CommandSpec command, Map<String, String> environment) {
    Map<String, OptionSpec> options =
        keys(command).stream()
            .collect(
                Collectors.toMap(
                    option -> variable(command, option.longestName()), Function.identity()));
    Map<String, Setting> settings = new HashMap<>();
    // In order, so that of several mistakes the same one is named each time.
    for (Map.Entry<String, String> entry : new TreeMap<>(environment).entrySet()) {
      String name = entry.getKey();
      String value = entry.getValue();
      if (!name.startsWith(prefix(command))
          || name.equals(variable(command, ConfigOptions.FILE_OPTION))) {
        continue;
      }
      OptionSpec option = options.get(name);
      if (option == null) {
        List<String> near = NearNames.of(name, options.keySet());
        throw LongtakeException.invalidField(
            name,
            "Expected variables %s* to be options of '%s', but %s is none; %srename or unset it"
                .formatted(
                    prefix(command),
                    command.qualifiedName(),
                    name,
                    near.isEmpty() ? "" : "the nearest is %s; ".formatted(near.getFirst())));
      }
      String expected = complaint(option, value);
      if (expected != null) {
        throw LongtakeException.invalidField(
            name,
            "Expected %s in the environment to be %s, but got %s"
                .formatted(name, expected, Quoted.of(value)));
      }
      settings.put(option.longestName(), new Setting(value, name));
    }
    return settings;
  }

  /** What a value should be instead; null when the option takes it. */
  private static @Nullable String complaint(OptionSpec option, String value) {
    if (value.isBlank()) {
      return "a value";
    }
    if (option.typeInfo().isBoolean()) {
      return value.equals("true") || value.equals("false") ? null : "true or false";
    }
    // By itself, so that the command has nothing of it.
    OptionSpec alone =
        OptionSpec.builder(option.longestName())
            .typeInfo(option.typeInfo())
            .converters(option.converters())
            .splitRegex(option.splitRegex())
            .arity("1")
            .build();
    try {
      new CommandLine(CommandSpec.create().addOption(alone))
          .parseArgs(option.longestName() + "=" + value);
      return null;
    } catch (ParameterException e) {
      String message = String.valueOf(e.getMessage());
      if (message.contains("is not an int")) {
        return "a whole number";
      }
      Matcher expected = EXPECTED.matcher(message);
      return expected.find() ? expected.group(1) : "a value as in --help";
    }
  }
}
