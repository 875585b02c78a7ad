package dev.longtake.client.cli;

import dev.longtake.client.LongtakeClient;
import dev.longtake.client.LongtakeClientException;
import dev.longtake.v1.GenerationRequest;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code longtake generate}: one prompt on a running cluster. Ctrl-C cancels the job. */
@Command(
    name = "generate",
    mixinStandardHelpOptions = true,
    description = "Generate a video on a running cluster.",
    footer = {
      "",
      "The job is cancelled on Ctrl-C. It goes on when workers or the coordinator die and come"
          + " back.",
      "",
      "Exit status: 0 done, 1 failed, 2 wrong usage or request, or nothing listens there, 130"
          + " interrupted."
    })
public final class GenerateCommand implements Callable<Integer> {
  @Spec @Nullable CommandSpec spec;

  @Parameters(
      paramLabel = "PROMPT",
      arity = "0..1",
      description = "What the video shows; with --continue, it may be left out.")
  @Nullable String prompt;

  @Mixin CoordinatorOption coordinator = new CoordinatorOption();

  @Option(
      names = "--out",
      paramLabel = "FILE",
      description = "The MP4; replaced if it exists (default: out/<prompt>.mp4).")
  @Nullable Path out;

  @Mixin GenerationOptions options = new GenerationOptions();

  @Mixin LongVideoOptions longVideo = new LongVideoOptions();

  @Mixin WhileMadeOptions whileMade = new WhileMadeOptions();

  @Mixin BeginningOptions beginning = new BeginningOptions();

  @Mixin SubmitOptions submit = new SubmitOptions();

  @Option(names = "--json", description = "Print the result as JSON.")
  boolean isJson;

  @Override
  public Integer call() {
    if (prompt == null && !beginning.isContinuation()) {
      throw new ParameterException(
          Objects.requireNonNull(spec).commandLine(),
          "Expected a PROMPT, or --continue FILE, but got neither");
    }
    String text = prompt == null ? "" : prompt;
    Path file = out == null ? OutputFile.forPrompt(text) : out;
    try (LongtakeClient client = coordinator.connect()) {
      ProgressBar progress = ProgressBar.onStandardError();
      var run = new GenerationRun(client, progress);
      Thread cancelOnInterrupt = new Thread(() -> cancel(run), "cancel-job");
      Runtime.getRuntime().addShutdownHook(cancelOnInterrupt);
      GenerationReport report;
      try {
        GenerationRequest request =
            whileMade.apply(longVideo.apply(options.toRequest(text), client));
        whileMade.prepare();
        report =
            run.run(
                beginning.apply(submit.toSubmit(request)),
                file,
                jobId -> whileMade.start(client, jobId, progress),
                List.of());
      } finally {
        removeHook(cancelOnInterrupt);
      }
      Commands.print(spec, isJson ? report.json() : report.text());
      return ExitCodes.OK;
    }
  }

  private static void cancel(GenerationRun run) {
    try {
      if (run.cancel()) {
        System.err.println();
        System.err.println("longtake: the job is cancelled");
      }
    } catch (LongtakeClientException e) {
      System.err.println();
      System.err.println("longtake: the job could not be cancelled: " + e.getMessage());
    }
  }

  private static void removeHook(Thread hook) {
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // Interrupted: the hook is doing its work, and what this thread would print is no longer of
      // interest.
      Commands.waitForExit();
    }
  }
}
