package dev.longtake.worker;

import picocli.CommandLine;

/** The worker as a process of its own. */
public final class WorkerMain {
  private WorkerMain() {}

  /** Runs the worker command; the exit status. */
  public static int run(WorkerFactory factory, String... arguments) {
    return new CommandLine(new WorkerCommand(factory)).execute(arguments);
  }
}
