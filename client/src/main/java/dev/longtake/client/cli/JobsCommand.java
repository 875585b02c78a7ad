package dev.longtake.client.cli;

import dev.longtake.client.LongtakeClient;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code longtake jobs}: the jobs of a cluster. */
@Command(
    name = "jobs",
    mixinStandardHelpOptions = true,
    description = "List jobs, newest first.",
    footer = {"", "Exit status: 0 done, 1 failed, 2 wrong usage, or nothing listens there."})
public final class JobsCommand implements Callable<Integer> {
  @Spec @Nullable CommandSpec spec;

  @Option(
      names = "--limit",
      paramLabel = "N",
      defaultValue = "20",
      description = "At most this many, 1 to 1000 (default: ${DEFAULT-VALUE}).")
  int limit;

  @Mixin CoordinatorOption coordinator = new CoordinatorOption();

  @Override
  public Integer call() {
    try (LongtakeClient client = coordinator.connect()) {
      Commands.print(spec, JobText.list(client.list(limit)));
      return ExitCodes.OK;
    }
  }
}
