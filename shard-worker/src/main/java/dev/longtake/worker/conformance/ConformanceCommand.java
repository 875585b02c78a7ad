package dev.longtake.worker.conformance;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.Precision;
import java.io.PrintWriter;
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

  @Spec private @Nullable CommandSpec spec;

  @Parameters(
      arity = "1..*",
      paramLabel = "DIR",
      description = "Case folders: config.json, manifest.json, inputs, outputs and weights.")
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
      paramLabel = "f32|bf16",
      defaultValue = "f32",
      description = "Of the blocks' matrix products (default: ${DEFAULT-VALUE}).")
  private String precision = "f32";

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
      Conformance conformance = new Conformance(requireWorkers(), parse(precision));
      for (Path folder : folders) {
        reports.addAll(conformance.check(folder));
      }
      PrintWriter out = spec.commandLine().getOut();
      if (json) {
        ConformanceReport.printJson(out, conformance, reports);
      } else {
        ConformanceReport.print(out, reports);
      }
    } catch (LongtakeException e) {
      err.println("longtake conformance: " + e.getMessage());
      err.flush();
      return e.code().category() == ErrorCode.Category.USER ? UNREADABLE : FELL_SHORT;
    }
    return reports.stream().anyMatch(RunReport::failed) ? FELL_SHORT : 0;
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
              "--precision", "Expected precision f32 or bf16, but got '%s'".formatted(name));
    };
  }

  static String name(Precision precision) {
    return precision == Precision.PRECISION_BF16 ? "bf16" : "f32";
  }
}
