package dev.longtake.client.cli;

import dev.longtake.client.LongtakeClient;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code longtake trace}: what every worker of a job did when, as a file. */
@Command(
    name = "trace",
    mixinStandardHelpOptions = true,
    description = "Fetch the trace of a job that is done: what every worker did when.",
    footer = {
      "",
      "The file is in Chrome's trace event format; open it in https://ui.perfetto.dev or"
          + " chrome://tracing.",
      "The traces of the most recent jobs are kept. Job ids are in 'longtake generate --json'.",
      "",
      "Exit status: 0 written, 1 failed, 2 wrong usage, or nothing listens there."
    })
public final class TraceCommand implements Callable<Integer> {
  @Spec @Nullable CommandSpec spec;

  @Parameters(paramLabel = "JOB", description = "The job's id.")
  String jobId = "";

  @Mixin CoordinatorOption coordinator = new CoordinatorOption();

  @Option(
      names = {"-o", "--out"},
      paramLabel = "FILE",
      description = "The file; replaced if it exists (default: out/JOB.trace.json).")
  @Nullable Path out;

  @Override
  public Integer call() throws IOException {
    Path file = out == null ? Path.of("out", jobId + ".trace.json") : out;
    OutputFile.prepare(file);
    try (LongtakeClient client = coordinator.connect()) {
      client.trace(jobId, file);
    }
    Commands.print(
        spec,
        "trace  %s (%s; open it in https://ui.perfetto.dev)%n"
            .formatted(file, Texts.bytes(Files.size(file))));
    return ExitCodes.OK;
  }
}
