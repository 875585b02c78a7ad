package dev.longtake.client.cli;

import dev.longtake.client.LongtakeClient;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** {@code longtake workers}: a line for each worker of a cluster. */
@Command(
    name = "workers",
    mixinStandardHelpOptions = true,
    description = "Show the workers of a cluster; 'longtake status' shows more of it.",
    footer = {"", "Exit status: 0 shown, 1 failed, 2 wrong usage, or nothing listens there."})
public final class WorkersCommand implements Callable<Integer> {
  @Spec @Nullable CommandSpec spec;

  @Mixin CoordinatorOption coordinator = new CoordinatorOption();

  @Override
  public Integer call() {
    try (LongtakeClient client = coordinator.connect()) {
      StringBuilder lines = new StringBuilder();
      client
          .clusterStatus()
          .getWorkersList()
          .forEach(worker -> lines.append(StatusCommand.worker(worker)));
      Commands.print(
          spec, lines.isEmpty() ? "no worker has joined%n".formatted() : lines.toString());
      return ExitCodes.OK;
    }
  }
}
