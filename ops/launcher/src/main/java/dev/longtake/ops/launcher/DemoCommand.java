package dev.longtake.ops.launcher;

import dev.longtake.client.LongtakeClient;
import dev.longtake.client.LongtakeClientException;
import dev.longtake.client.cli.ExitCodes;
import dev.longtake.client.cli.GenerationOptions;
import dev.longtake.client.cli.GenerationReport;
import dev.longtake.client.cli.GenerationRun;
import dev.longtake.client.cli.LongVideoOptions;
import dev.longtake.client.cli.OutputFile;
import dev.longtake.client.cli.ProgressBar;
import dev.longtake.client.cli.Texts;
import dev.longtake.common.model.ModelFolder;
import dev.longtake.common.process.JavaProcess;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.SubmitRequest;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code longtake demo}: a cluster of processes on this machine for one prompt. */
@Command(
    name = "demo",
    mixinStandardHelpOptions = true,
    description = "Generate a video on a cluster started for it on this machine.",
    footer = {
      "",
      "Nothing is left running, also after Ctrl-C.",
      "",
      "Exit status: 0 done, 1 failed, 2 wrong usage or request, 130 interrupted."
    })
final class DemoCommand implements Callable<Integer> {
  @Spec @Nullable CommandSpec spec;

  @Parameters(paramLabel = "PROMPT", description = "What the video shows.")
  String prompt = "";

  @Option(
      names = "--out",
      paramLabel = "FILE",
      description = "The MP4; replaced if it exists (default: out/<prompt>.mp4).")
  @Nullable Path out;

  @Mixin ClusterOptions cluster = new ClusterOptions();

  @Option(
      names = "--seed",
      paramLabel = "N",
      converter = GenerationOptions.SeedConverter.class,
      description =
          "Start of the noise; the same prompt and seed give the same bytes (default: random).")
  @Nullable Long seed;

  @Option(
      names = "--steps",
      paramLabel = "N",
      description = "Denoising steps (default: the model's).")
  @Nullable Integer steps;

  @Option(
      names = "--upscale",
      paramLabel = "N",
      defaultValue = "6",
      description =
          "Each pixel becomes NxN pixels in the MP4, 1 to 16 (default: ${DEFAULT-VALUE}, as the"
              + " demo model's are few).")
  int upscale = 6;

  @Mixin LongVideoOptions longVideo = new LongVideoOptions();

  @Option(names = "--json", description = "Print the result as JSON.")
  boolean isJson;

  @Override
  public Integer call() {
    Path file = out == null ? OutputFile.forPrompt(prompt) : out;
    List<String> devices = cluster.requireDevices();
    ModelFolder model = cluster.requireVideoModel();
    OutputFile.prepare(file);
    ProgressBar progress = ProgressBar.onStandardError();
    GenerationReport report;
    try {
      progress.phase("starting a coordinator and " + Texts.workers(devices.size()));
      long startNanos = System.nanoTime();
      try (LocalCluster local =
          LocalCluster.start(LocalCluster.Programs.LONGTAKE, model.root(), devices, 0, List.of())) {
        var starting =
            new GenerationReport.Stage(
                "starting the cluster", (System.nanoTime() - startNanos) / 1e9);
        report = generate(local, progress, file, starting);
      }
    } finally {
      progress.finish();
    }
    PrintWriter print = Objects.requireNonNull(spec).commandLine().getOut();
    print.print(isJson ? report.json() : report.text());
    print.flush();
    return ExitCodes.OK;
  }

  private GenerationReport generate(
      LocalCluster local, ProgressBar progress, Path file, GenerationReport.Stage starting) {
    try (LongtakeClient client =
        LongtakeClient.builder().address(local.coordinatorAddress()).build()) {
      // Whoever dies, the calls end at once, and the death is what is reported.
      var _ = local.death().thenRun(client::close);
      try {
        return new GenerationRun(client, progress)
            .run(
                SubmitRequest.newBuilder().setRequest(longVideo.apply(request(), client)).build(),
                file,
                List.of(starting));
      } catch (LongtakeClientException e) {
        if (e.reason().equals(LongtakeClientException.INVALID_REQUEST)
            || e.reason().equals(LongtakeClientException.LOCAL_FILE)) {
          throw e;
        }
        Optional<JavaProcess> dead = local.awaitDeath();
        if (dead.isPresent()) {
          throw LocalCluster.deathOf(dead.get());
        }
        local.keepFolder();
        throw new LongtakeClientException(
            e.reason(), "%s (logs: %s)".formatted(e.getMessage(), local.folder()));
      }
    }
  }

  private GenerationRequest request() {
    var request = GenerationRequest.newBuilder().setPrompt(prompt).setUpscale(upscale);
    if (seed != null) {
      request.setSeed(seed);
    }
    if (steps != null) {
      request.setSteps(steps);
    }
    return request.build();
  }
}
