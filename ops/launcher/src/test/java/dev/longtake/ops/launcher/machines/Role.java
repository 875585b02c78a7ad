package dev.longtake.ops.launcher.machines;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.coordinator.CoordinatorCommand;
import dev.longtake.worker.WorkerMain;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;

/** A kind of process that machines are set up to run, and what it makes of its command line and environment. */
enum Role {
  COORDINATOR,
  WORKER;

  static Role of(String command) {
    assertThat(command).isIn("coordinator", "worker");
    return valueOf(command.toUpperCase(Locale.ROOT));
  }

  CommandLine command() {
    return new CommandLine(
        switch (this) {
          case COORDINATOR -> new CoordinatorCommand();
          case WORKER -> WorkerMain.command();
        });
  }

  /** Options that files may have. */
  List<OptionSpec> keys() {
    return command().getCommandSpec().options().stream()
        .filter(option ->
            !List.of("--help", "--version", "--config", "--print-config")
                .contains(option.longestName()))
        .toList();
  }

  /**
   * Fails unless a process that is started so takes all of it.
   *
   * @param flags behind the command
   * @return the command with the values of its options
   */
  CommandSpec understand(List<String> flags, Map<String, String> environment) {
    List<String> arguments = new ArrayList<>(flags);
    String prefix = "LONGTAKE_" + name() + "_";
    environment.forEach((variable, value) -> {
      if (variable.startsWith("LONGTAKE_")) {
        assertThat(variable).startsWith(prefix);
        String option = variable.substring(prefix.length()).toLowerCase(Locale.ROOT);
        arguments.add("--%s=%s".formatted(option.replace('_', '-'), value));
      }
    });
    CommandLine line = command();
    line.parseArgs(arguments.toArray(String[]::new));
    return line.getCommandSpec();
  }
}
