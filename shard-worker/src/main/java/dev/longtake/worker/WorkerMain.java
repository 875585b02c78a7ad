package dev.longtake.worker;

import dev.longtake.common.process.Logs;
import picocli.CommandLine;

/** The worker as a process of its own. */
public final class WorkerMain {
  private WorkerMain() {}

  public static void main(String[] arguments) {
    Logs.configure();
    CommandLine command = new CommandLine(command());
    command.setParameterExceptionHandler((failure, _) -> {
      command.getErr().println(failure.getMessage());
      return CommandLine.ExitCode.USAGE;
    });
    System.exit(command.execute(arguments));
  }

  /** The worker command of this build. */
  public static WorkerCommand command() {
    return new WorkerCommand(EngineWorkers::new);
  }
}
