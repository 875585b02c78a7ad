package dev.longtake.worker.conformance;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.Precision;
import dev.longtake.worker.device.DeviceChoice;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/**
 * {@code longtake conformance}: exit status 0 when every run passes, 1 when one falls short, 2 when a case can't be read.
 */
@Command(
    name = "conformance",
    mixinStandardHelpOptions = true,
    description = {
      "Runs reference cases through the engine and compares every tensor.",
      "Exit status 1 when a run falls short, 2 when a case can't be read."
    })
public final class ConformanceCommand implements Callable<Integer> {
  private static final int FELL_SHORT = 1;
  private static final int UNREADABLE = 2;
  private static final String BOTH = "both";

  @Spec private @Nullable CommandSpec spec;

  @Parameters(
      arity = "1..*",
      paramLabel = "DIR",
      description = {
        "Case folders: config.json, manifest.json, inputs, outputs and weights.",
        "A README.md among them is passed over."
      })
  private List<Path> folders = List.of();

  @Option(
      names = "--workers",
      paramLabel = "N",
      defaultValue = "1",
      description =
          "1 runs in this process; more are worker processes over gRPC (default:"
              + " ${DEFAULT-VALUE}).")
  private int workers;

  @Option(
      names = "--precision",
      paramLabel = "f32|bf16|both",
      defaultValue = "f32",
      description = {
        "Of the blocks' matrix products (default: ${DEFAULT-VALUE}).",
        "'both' prints the errors of bf16 beside those of f32."
      })
  private String precision = "f32";

  @Option(
      names = "--device",
      paramLabel = "DEVICE",
      defaultValue = "cpu",
      description =
          "What every worker computes with: "
              + DeviceChoice.FORMS
              + " (default: ${DEFAULT-VALUE}).")
  private String device = "cpu";

  @Option(names = "--json", description = "Print the result as JSON.")
  private boolean json;

  @Override
  public Integer call() {
    if (spec == null) {
      throw new IllegalStateException("Expected to be run by picocli");
    }
    PrintWriter err = spec.commandLine().getErr();
    List<RunReport> reports = new ArrayList<>();
    try {
      PrintWriter out = spec.commandLine().getOut();
      if (precision.equals(BOTH)) {
        requireNoJson();
        reports.addAll(check(Precision.PRECISION_F32));
        List<RunReport> reduced = check(Precision.PRECISION_BF16);
        PrecisionReport.print(out, List.copyOf(reports), reduced);
        reports.addAll(reduced);
      } else {
        Precision parsed = parse(precision);
        reports.addAll(check(parsed));
        if (json) {
          ConformanceReport.printJson(out, conformance(parsed), reports);
        } else {
          ConformanceReport.print(out, reports);
        }
      }
    } catch (LongtakeException e) {
      err.println("longtake conformance: " + e.getMessage());
      err.flush();
      return e.code().category() == ErrorCode.Category.USER ? UNREADABLE : FELL_SHORT;
    }
    return reports.stream().anyMatch(RunReport::failed) ? FELL_SHORT : 0;
  }

  private Conformance conformance(Precision of) {
    return new Conformance(requireWorkers(), of, DeviceChoice.parse(device));
  }

  private List<RunReport> check(Precision of) {
    Conformance conformance = conformance(of);
    List<RunReport> reports = new ArrayList<>();
    for (Path folder : caseFolders()) {
      reports.addAll(conformance.check(folder));
    }
    return reports;
  }

  /** A pattern of the shell also finds the README beside the cases. */
  private List<Path> caseFolders() {
    List<Path> cases = folders.stream().filter(path -> !isDescription(path)).toList();
    return cases.isEmpty() ? folders : cases;
  }

  private static boolean isDescription(Path path) {
    return Files.isRegularFile(path) && String.valueOf(path.getFileName()).endsWith(".md");
  }

  private void requireNoJson() {
    if (json) {
      throw LongtakeException.invalidField(
          "--json", "Expected --json with --precision f32 or bf16, one at a time, but got both");
    }
  }

  private int requireWorkers() {
    if (workers < 1 || workers > 64) {
      throw LongtakeException.invalidField(
          "--workers", "Expected 1 to 64 workers, but got " + workers);
    }
    return workers;
  }

  private static Precision parse(String name) {
    return switch (name) {
      case "f32" -> Precision.PRECISION_F32;
      case "bf16" -> Precision.PRECISION_BF16;
      default ->
          throw LongtakeException.invalidField(
              "--precision", "Expected precision f32, bf16 or both, but got '%s'".formatted(name));
    };
  }

  static String name(Precision precision) {
    return precision == Precision.PRECISION_BF16 ? "bf16" : "f32";
  }
}
