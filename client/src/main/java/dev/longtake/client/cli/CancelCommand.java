package dev.longtake.client.cli;

import dev.longtake.client.LongtakeClient;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code longtake cancel JOB}. */
@Command(
    name = "cancel",
    mixinStandardHelpOptions = true,
    description = "Cancel a job that waits or runs; one that has ended stays as it is.",
    footer = {"", "Exit status: 0 done, 1 failed, 2 wrong usage, or nothing listens there."})
public final class CancelCommand implements Callable<Integer> {
  @Spec @Nullable CommandSpec spec;

  @Parameters(paramLabel = "JOB", description = "The job's id.")
  String jobId = "";

  @Mixin CoordinatorOption coordinator = new CoordinatorOption();

  @Override
  public Integer call() {
    try (LongtakeClient client = coordinator.connect()) {
      Commands.print(spec, JobText.details(client.cancel(jobId)));
      return ExitCodes.OK;
    }
  }
}
