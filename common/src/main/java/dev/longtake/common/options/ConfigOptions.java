package dev.longtake.common.options;

import dev.longtake.common.error.LongtakeException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.IDefaultValueProvider;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/**
 * A command's options from a YAML file and from the environment, for picocli's {@code @Mixin}. A flag goes before the environment, that
 * before the file, and that before the default. Every option of the command is a key by itself: {@code --tls-cert} of {@code longtake
 * worker} is {@code tls-cert} in the file and {@code LONGTAKE_WORKER_TLS_CERT} in the environment.
 */
public final class ConfigOptions implements IDefaultValueProvider {
  static final String FILE_OPTION = "--config";
  static final String PRINT_OPTION = "--print-config";

  private static final Pattern NAMED_OPTION = Pattern.compile("--[a-z][a-z-]*[a-z]");
  private static final Pattern PASSWORD = Pattern.compile("(?i)(password=)[^&\\s]*");
  private static final Pattern PLAIN =
      Pattern.compile("[A-Za-z0-9/._-][A-Za-z0-9/._+:@=?&-]*(?<!:)");

  private final Map<String, String> environment;
  private CommandSpec command = CommandSpec.create();
  private @Nullable Known known;

  @Option(
      names = FILE_OPTION,
      paramLabel = "FILE",
      description =
          "YAML file with options of this command as keys, without their dashes. The environment"
              + " (LONGTAKE_ROLE_NAME, as in LONGTAKE_WORKER_PORT) and flags go before it.")
  private @Nullable Path file;

  @Option(
      names = PRINT_OPTION,
      description = "Print all options as such a file, with where each value is from, and end.")
  private boolean isToPrint;

  /** What was read, and from which file besides the environment. */
  private record Known(@Nullable Path file, Map<String, Setting> settings) {}

  /** Options of this process's environment. */
  public ConfigOptions() {
    this(System.getenv());
  }

  ConfigOptions(Map<String, String> environment) {
    this.environment = Map.copyOf(environment);
  }

  /** Called by picocli with the command that has this mixin. */
  @Spec(Spec.Target.MIXEE)
  void of(CommandSpec mixee) {
    command = mixee;
    mixee.defaultValueProvider(this);
  }

  /** What the environment or the file say; null where neither does. Called by picocli when it has read the flags. */
  @Override
  public @Nullable String defaultValue(ArgSpec argument) {
    if (!(argument instanceof OptionSpec option)) {
      return null;
    }
    try {
      Setting setting = settings().get(option.longestName());
      return setting == null ? null : setting.value();
    } catch (LongtakeException e) {
      throw new ParameterException(command.commandLine(), e.getMessage(), e);
    }
  }

  private Map<String, Setting> settings() {
    Path given = file;
    String variable = environment.get(Settings.variable(command, FILE_OPTION));
    if (given == null && variable != null) {
      given = Path.of(variable);
    }
    Known last = known;
    if (last == null || !Objects.equals(last.file, given)) {
      last = new Known(given, Settings.read(command, given, environment));
      known = last;
    }
    return last.settings;
  }

  /** Whether the command is only to {@link #print} its options. */
  public boolean isToPrint() {
    return isToPrint;
  }

  /** Prints all options with their values and where these are from, as a file that {@code --config} takes. Passwords are left out. */
  public void print() {
    PrintWriter out = command.commandLine().getOut();
    for (OptionSpec option : Settings.keys(command)) {
      String value = value(option);
      String key = Settings.key(option) + ":";
      out.println(
          value == null
              ? "# %s  # not set".formatted(key)
              : "%s %s  # %s".formatted(key, quoted(value), source(option)));
    }
    out.flush();
  }

  private static String quoted(String value) {
    String shown = PASSWORD.matcher(value).replaceAll("$1***");
    return PLAIN.matcher(shown).matches() ? shown : "'" + shown.replace("'", "''") + "'";
  }

  private boolean isFlag(OptionSpec option) {
    return command.commandLine().getParseResult().hasMatchedOption(option.longestName());
  }

  private String source(OptionSpec option) {
    if (isFlag(option)) {
      return option.longestName();
    }
    Setting setting = settings().get(option.longestName());
    return setting == null ? "default" : setting.source();
  }

  private @Nullable String value(OptionSpec option) {
    Setting setting = settings().get(option.longestName());
    if (isFlag(option)) {
      return option.typeInfo().isBoolean()
          ? String.valueOf(option.<Object>getValue())
          : String.join(",", option.originalStringValues());
    }
    if (setting != null) {
      return setting.value();
    }
    if (option.defaultValue() != null) {
      return option.defaultValue();
    }
    Object initial = option.getValue();
    return initial == null || (initial instanceof Collection<?> many && many.isEmpty())
        ? null
        : initial.toString();
  }

  /** A complaint, with where the options that it names were set, as far as that was not on the command line. */
  public String explain(String complaint) {
    Map<String, Setting> settings = settings();
    List<String> names =
        NAMED_OPTION.matcher(complaint).results().map(MatchResult::group).distinct().toList();
    Map<String, String> sources = new LinkedHashMap<>();
    for (String name : names) {
      OptionSpec option = command.findOption(name);
      Setting setting = settings.get(name);
      if (option != null && setting != null && !isFlag(option)) {
        sources.put(name, setting.source());
      }
    }
    return sources.isEmpty()
        ? complaint
        : sources.entrySet().stream()
            .map(entry -> entry.getKey() + " is from " + entry.getValue())
            .collect(Collectors.joining(", ", complaint + " (", ")"));
  }
}
