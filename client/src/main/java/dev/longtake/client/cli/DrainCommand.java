package dev.longtake.client.cli;

import dev.longtake.client.LongtakeClient;
import dev.longtake.v1.WorkerStatus;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code longtake drain WORKER}. */
@Command(
    name = "drain",
    mixinStandardHelpOptions = true,
    description =
        "Give a worker no new work; when its jobs are done it leaves and its process ends.",
    footer = {"", "Exit status: 0 done, 1 failed, 2 wrong usage, or nothing listens there."})
public final class DrainCommand implements Callable<Integer> {
  @Spec @Nullable CommandSpec spec;

  @Parameters(paramLabel = "WORKER", description = "The worker's id, as 'longtake status' has it.")
  String workerId = "";

  @Mixin CoordinatorOption coordinator = new CoordinatorOption();

  @Override
  public Integer call() {
    try (LongtakeClient client = coordinator.connect()) {
      WorkerStatus worker = client.drain(workerId);
      Commands.print(
          spec,
          "worker %s drains: %s%n"
              .formatted(
                  workerId,
                  worker.getJobIdsList().isEmpty()
                      ? "it has no work, and leaves now"
                      : "it leaves after job " + String.join(", ", worker.getJobIdsList())));
      return ExitCodes.OK;
    }
  }
}
