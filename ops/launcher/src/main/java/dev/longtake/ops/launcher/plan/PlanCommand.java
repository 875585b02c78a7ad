package dev.longtake.ops.launcher.plan;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.util.JsonFormat;
import dev.longtake.client.LongtakeClient;
import dev.longtake.client.cli.CoordinatorOption;
import dev.longtake.client.cli.ExitCodes;
import dev.longtake.client.cli.GenerationOptions.PrecisionConverter;
import dev.longtake.client.cli.PlanText;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.model.ModelFolder;
import dev.longtake.common.options.YamlMap;
import dev.longtake.coordinator.planner.ClusterView;
import dev.longtake.coordinator.planner.PlanChoice;
import dev.longtake.coordinator.planner.Planner;
import dev.longtake.coordinator.planner.Workload;
import dev.longtake.v1.ClipGeometry;
import dev.longtake.v1.ExplainResponse;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.ModelProfile;
import dev.longtake.v1.Plan;
import dev.longtake.v1.Precision;
import dev.longtake.worker.engine.loading.OpenModel;
import dev.longtake.worker.order.ModelProfiles;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code longtake plan}: the plans for a video, what each is predicted to take, and why one wins. */
@Command(
    name = "plan",
    mixinStandardHelpOptions = true,
    description = {
      "Show how a video would be divided among workers, and why.",
      "With --cluster for machines that one doesn't own, else for a running cluster."
    },
    footer = {
      "",
      "longtake plan --model DIR --size 1280x720 --seconds 16 --cluster cluster.yaml",
      "longtake plan --size 1280x720 --coordinator 127.0.0.1:7400",
      "",
      "Exit status: 0 shown, 1 failed or nothing fits, 2 wrong usage, configuration or request."
    })
public final class PlanCommand implements Callable<Integer> {
  private static final int MAX_LIMIT = 80;
  private static final int MAX_ROWS = 64;

  @Spec private @Nullable CommandSpec spec;

  @Option(
      names = "--cluster",
      paramLabel = "FILE",
      description =
          "Machines in YAML: nodes with GPUs, and links; docs/planning.md has an example.")
  private @Nullable Path cluster;

  @Option(
      names = "--presets",
      paramLabel = "FILE",
      description = "GPUs and links that the cluster file may name (default: those built in).")
  private @Nullable Path presets;

  @Option(
      names = "--model",
      paramLabel = "DIR",
      description = "With --cluster: a model folder, or weights, which need not be complete.")
  private @Nullable Path model;

  @Mixin private CoordinatorOption coordinator = new CoordinatorOption();

  @Option(
      names = "--size",
      paramLabel = "WIDTHxHEIGHT",
      description = "Pixels (default: the model's).")
  private @Nullable String size;

  @Option(
      names = "--frames",
      paramLabel = "N",
      description = "Video frames (default: the model's).")
  private @Nullable Integer frames;

  @Option(
      names = "--seconds",
      paramLabel = "X",
      description = "Instead of --frames, at the model's frame rate.")
  private @Nullable Double seconds;

  @Option(
      names = "--latent-frames",
      paramLabel = "N",
      description = "With --cluster: instead of both, for autoencoders that are not known.")
  private @Nullable Integer latentFrames;

  @Option(
      names = "--rows",
      paramLabel = "N",
      defaultValue = "2",
      description = "With --cluster: rows of the batch; guidance makes two of one (default: 2).")
  private int rows = 2;

  @Option(
      names = "--text-tokens",
      paramLabel = "N",
      description =
          "With --cluster: tokens of the prompt (default: the most that the model takes).")
  private @Nullable Integer textTokens;

  @Option(
      names = "--waiting",
      paramLabel = "N",
      defaultValue = "0",
      description = "With --cluster: other jobs that wait for the same workers (default: 0).")
  private int waiting;

  @Option(
      names = "--plan",
      paramLabel = "TEXT",
      converter = PlanText.Converter.class,
      description = "Only this plan, as in 'branches=2 stages=0-14,14-56 ranks=4 mode=switch'.")
  private @Nullable Plan plan;

  @Option(
      names = "--precision",
      paramLabel = "f32|bf16",
      converter = PrecisionConverter.class,
      description = "Of the matrix products (default: bf16 with --cluster, else f32).")
  private @Nullable Precision precision;

  @Option(
      names = "--limit",
      paramLabel = "N",
      defaultValue = "20",
      description = "Show at most this many plans, 1 to 80 (default: 20).")
  private int limit = 20;

  @Option(
      names = "--json",
      description = "Print as JSON, with the names of longtake.v1.ExplainResponse.")
  private boolean json;

  @Override
  public Integer call() throws InvalidProtocolBufferException {
    requireRange("--limit", limit, 1, MAX_LIMIT);
    requireRange("--rows", rows, 1, MAX_ROWS);
    requireRange("--waiting", waiting, 0, 1_000_000);
    if (frames != null && seconds != null) {
      throw LongtakeException.invalidField(
          "--seconds", "Expected --frames or --seconds, but got both; leave one out");
    }
    ExplainResponse response = cluster == null ? ask() : whatIf(cluster);
    PrintWriter out = Objects.requireNonNull(spec).commandLine().getOut();
    out.print(
        json
            ? JsonFormat.printer().preservingProtoFieldNames().print(response) + "\n"
            : PlanTable.of(response));
    out.flush();
    return ExitCodes.OK;
  }

  private static void requireRange(String option, int value, int least, int most) {
    if (value < least || value > most) {
      throw LongtakeException.invalidField(
          option, "Expected %s of %d to %d, but got %d".formatted(option, least, most, value));
    }
  }

  private ExplainResponse ask() {
    var request = GenerationRequest.newBuilder();
    if (size != null) {
      WhatIfClip.Size pixels = WhatIfClip.Size.parse(size);
      request.setWidth(pixels.width()).setHeight(pixels.height());
    }
    if (frames != null) {
      request.setFrames(frames);
    }
    if (precision != null) {
      request.setPrecision(precision);
    }
    if (plan != null) {
      request.setPlan(plan);
    }
    try (LongtakeClient client = coordinator.connect()) {
      if (seconds != null) {
        double fps = client.clusterStatus().getModel().getFps();
        request.setFrames((int) Math.max(1, Math.rint(seconds * fps)));
      }
      return client.explain(request.build(), limit);
    }
  }

  private ExplainResponse whatIf(Path file) {
    if (model == null) {
      throw LongtakeException.invalidField(
          "--model",
          "Expected --model with a model folder beside --cluster, but it is missing; with a running"
              + " cluster leave --cluster out");
    }
    Presets known =
        presets == null
            ? Presets.builtIn()
            : Presets.read(YamlMap.read(String.valueOf(presets.getFileName()), read(presets)));
    ClusterFile machines =
        ClusterFile.read(YamlMap.read(String.valueOf(file.getFileName()), read(file)), known);
    Precision products = precision == null ? Precision.PRECISION_BF16 : precision;
    ModelFolder folder = ModelFolder.open(model);
    Workload workload = workload(folder, products);
    ClusterView view = machines.view(workload.profile(), products);
    PlanChoice choice =
        plan == null ? Planner.plan(workload, view, waiting) : Planner.forced(plan, workload, view);
    return ExplainResponse.newBuilder()
        .addAllCandidates(choice.candidates().stream().limit(limit).toList())
        .setConsidered(choice.considered())
        .setTextTokens(workload.textTokens())
        .setRows(workload.rows())
        .setMaxLatentFrames(Planner.mostFrames(workload, view))
        .build();
  }

  private Workload workload(ModelFolder folder, Precision products) {
    ModelProfile profile;
    String architecture;
    int mostTokens;
    try (OpenModel open = OpenModel.openUnchecked(folder)) {
      profile = ModelProfiles.of(open.description());
      architecture = open.description().architecture();
      var text = open.description().text();
      mostTokens = text == null ? 0 : text.maxTokens();
    }
    int tokens = Objects.requireNonNullElse(textTokens, mostTokens);
    requireRange("--text-tokens", tokens, 0, 1 << 16);
    ClipGeometry clip =
        WhatIfClip.of(
            folder,
            architecture,
            Optional.ofNullable(size),
            frames == null ? OptionalInt.empty() : OptionalInt.of(frames),
            seconds == null ? OptionalDouble.empty() : OptionalDouble.of(seconds),
            latentFrames == null ? OptionalInt.empty() : OptionalInt.of(latentFrames));
    return new Workload(
        profile,
        clip,
        /* samples= */ 1,
        rows,
        mostTokens == 0 ? 0 : tokens,
        products,
        /* learnedVariance= */ false);
  }

  private static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw LongtakeException.invalidField(
          String.valueOf(file.getFileName()),
          "Expected a YAML file at %s, but it can't be read; check the path".formatted(file));
    }
  }
}
