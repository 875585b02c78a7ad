package dev.longtake.coordinator;

import dev.longtake.common.process.Logs;
import picocli.CommandLine;

/** The coordinator as a process of its own. */
public final class CoordinatorMain {
  private CoordinatorMain() {}

  public static void main(String[] arguments) {
    Logs.configure();
    CommandLine command = new CommandLine(new CoordinatorCommand());
    command.setParameterExceptionHandler((failure, _) -> {
      command.getErr().println(failure.getMessage());
      return CommandLine.ExitCode.USAGE;
    });
    System.exit(command.execute(arguments));
  }
}
