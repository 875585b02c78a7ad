package dev.longtake.client.cli;

import dev.longtake.client.LongtakeClient;
import dev.longtake.v1.ContinuationToken;
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

/** {@code longtake continuation}: what is needed to go on where a job ended, as a file. */
@Command(
    name = "continuation",
    mixinStandardHelpOptions = true,
    description = "Fetch the token with which another job goes on after this one's last segment.",
    footer = {
      "",
      "The job may run, be done, failed or cancelled. The token holds the video's last frames, so"
          + " it works",
      "on any cluster that serves the same model: 'longtake generate --continue FILE'.",
      "",
      "Exit status: 0 written, 1 failed, 2 wrong usage, or nothing listens there."
    })
public final class ContinuationCommand implements Callable<Integer> {
  @Spec @Nullable CommandSpec spec;

  @Parameters(paramLabel = "JOB", description = "The job's id.")
  String jobId = "";

  @Mixin CoordinatorOption coordinator = new CoordinatorOption();

  @Option(
      names = {"-o", "--out"},
      paramLabel = "FILE",
      description = "The file; replaced if it exists (default: out/JOB.token).")
  @Nullable Path out;

  @Override
  public Integer call() throws IOException {
    Path file = out == null ? Path.of("out", jobId + ".token") : out;
    OutputFile.prepare(file);
    try (LongtakeClient client = coordinator.connect()) {
      ContinuationToken token = client.continuation(jobId);
      Files.write(file, token.getToken().toByteArray());
      Commands.print(
          spec,
          "token  %s (%s; after segment %d, frame %d)%n"
              .formatted(
                  file,
                  Texts.bytes(token.getToken().size()),
                  token.getSegments(),
                  token.getFrames()));
    }
    return ExitCodes.OK;
  }
}
