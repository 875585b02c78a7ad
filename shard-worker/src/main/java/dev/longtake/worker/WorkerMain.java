package dev.longtake.worker;

import picocli.CommandLine;

/** The worker as a process of its own. */
public final class WorkerMain {
  private WorkerMain() {}

  public static void main(String[] arguments) {
    System.exit(new CommandLine(command()).execute(arguments));
  }

  /** The worker command of this build. */
  public static WorkerCommand command() {
    return new WorkerCommand(new EngineWorkers());
  }
}
