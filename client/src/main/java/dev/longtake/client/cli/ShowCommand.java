package dev.longtake.client.cli;

import dev.longtake.client.LongtakeClient;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code longtake show JOB}: one job and its history. */
@Command(
    name = "show",
    mixinStandardHelpOptions = true,
    description = "Show a job: its state, its plan, its history.",
    footer = {"", "Exit status: 0 done, 1 failed, 2 wrong usage, or nothing listens there."})
public final class ShowCommand implements Callable<Integer> {
  @Spec @Nullable CommandSpec spec;

  @Parameters(paramLabel = "JOB", description = "The job's id.")
  String jobId = "";

  @Mixin CoordinatorOption coordinator = new CoordinatorOption();

  @Override
  public Integer call() {
    try (LongtakeClient client = coordinator.connect()) {
      Commands.print(spec, JobText.details(client.get(jobId)));
      return ExitCodes.OK;
    }
  }
}
