package dev.longtake.worker.inspect;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.model.ModelDefaults;
import dev.longtake.common.model.ModelFolder;
import dev.longtake.common.tensor.DType;
import dev.longtake.worker.engine.loading.OpenModel;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/**
 * {@code longtake inspect}: exit status 0 when a worker would run the model, 1 when tensors are missing, misfit or unknown, 2 when
 * it can't be read.
 */
@Command(
    name = "inspect",
    mixinStandardHelpOptions = true,
    description = {
      "Says what a model is, what it needs, and what its files lack.",
      "Exit status 1 when tensors are missing, misfit or unknown, 2 when it can't be read."
    })
public final class InspectCommand implements Callable<Integer> {
  private static final int INCOMPLETE = 1;
  private static final int UNREADABLE = 2;
  private static final int MAX_WORKERS = 64;

  /** With and without the condition. */
  private static final int BRANCHES = 2;

  @Spec private @Nullable CommandSpec spec;

  @Parameters(
      paramLabel = "DIR|FILE",
      description = "A model folder, a folder of diffusers, or a file with weights.")
  private @Nullable Path path;

  @Option(
      names = "--workers",
      paramLabel = "N",
      defaultValue = "1",
      description = "Among how many memory is divided (default: ${DEFAULT-VALUE}).")
  private int workers = 1;

  @Option(
      names = "--precision",
      paramLabel = "f32|bf16",
      defaultValue = "f32",
      description = "Of the blocks' matrix products (default: ${DEFAULT-VALUE}).")
  private String precision = "f32";

  @Option(
      names = "--frames",
      paramLabel = "N",
      description = "Of the clip that memory is counted for (default: the model's).")
  private @Nullable Integer frames;

  @Option(names = "--height", paramLabel = "PIXELS", description = "The same.")
  private @Nullable Integer height;

  @Option(names = "--width", paramLabel = "PIXELS", description = "The same.")
  private @Nullable Integer width;

  @Option(names = "--json", description = "Print the result as JSON.")
  private boolean json;

  @Override
  public Integer call() {
    if (spec == null || path == null) {
      throw new IllegalStateException("Expected to be run by picocli");
    }
    PrintWriter err = spec.commandLine().getErr();
    try {
      return inspect(path, spec.commandLine().getOut(), err);
    } catch (LongtakeException e) {
      err.println("longtake inspect: " + e.getMessage());
      err.flush();
      return e.code().category() == ErrorCode.Category.USER ? UNREADABLE : INCOMPLETE;
    }
  }

  private int inspect(Path from, PrintWriter out, PrintWriter err) {
    requireWorkers();
    DType type = type();
    ModelFolder folder = ModelFolder.open(from);
    try (OpenModel model = OpenModel.openUnchecked(folder)) {
      boolean video = Traits.isVideo(model.description());
      ModelDefaults defaults = folder.defaults();
      Clip clip =
          new Clip(
              Objects.requireNonNullElse(frames, video ? defaults.frames() : 1),
              Objects.requireNonNullElse(height, defaults.height()),
              Objects.requireNonNullElse(width, defaults.width()),
              BRANCHES);
      Inspection inspection = Inspection.of(folder, model, clip, type, workers);
      InspectReport report = new InspectReport(inspection);
      if (json) {
        report.printJson(out);
      } else {
        report.print(out);
      }
      inspection.complaints().forEach(line -> err.println("longtake inspect: " + line));
      err.flush();
      return inspection.canRun() ? 0 : INCOMPLETE;
    }
  }

  private void requireWorkers() {
    if (workers < 1 || workers > MAX_WORKERS) {
      throw LongtakeException.invalidField(
          "--workers", "Expected 1 to %d workers, but got %d".formatted(MAX_WORKERS, workers));
    }
  }

  private DType type() {
    return switch (precision) {
      case "f32" -> DType.F32;
      case "bf16" -> DType.BF16;
      default ->
          throw LongtakeException.invalidField(
              "--precision", "Expected precision f32 or bf16, but got '%s'".formatted(precision));
    };
  }
}
