package dev.longtake.coordinator;

import picocli.CommandLine;

/** The coordinator as a process of its own. */
public final class CoordinatorMain {
  private CoordinatorMain() {}

  public static void main(String[] arguments) {
    CommandLine command = new CommandLine(new CoordinatorCommand());
    command.setParameterExceptionHandler((failure, _) -> {
      command.getErr().println(failure.getMessage());
      return CommandLine.ExitCode.USAGE;
    });
    System.exit(command.execute(arguments));
  }
}
