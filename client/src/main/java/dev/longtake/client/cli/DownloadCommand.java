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

/** {@code longtake download JOB}: the video of a job that is done, as a file. */
@Command(
    name = "download",
    mixinStandardHelpOptions = true,
    description = "Fetch the video of a job that is done; its checksum is compared.",
    footer = {"", "Exit status: 0 written, 1 failed, 2 wrong usage, or nothing listens there."})
public final class DownloadCommand implements Callable<Integer> {
  @Spec @Nullable CommandSpec spec;

  @Parameters(paramLabel = "JOB", description = "The job's id.")
  String jobId = "";

  @Mixin CoordinatorOption coordinator = new CoordinatorOption();

  @Option(
      names = {"-o", "--out"},
      paramLabel = "FILE",
      description = "The MP4; replaced if it exists (default: out/JOB.mp4).")
  @Nullable Path out;

  @Override
  public Integer call() throws IOException {
    Path file = out == null ? Path.of("out", jobId + ".mp4") : out;
    OutputFile.prepare(file);
    try (LongtakeClient client = coordinator.connect()) {
      client.download(jobId, file);
    }
    Commands.print(spec, "video  %s (%s)%n".formatted(file, Texts.bytes(Files.size(file))));
    return ExitCodes.OK;
  }
}
