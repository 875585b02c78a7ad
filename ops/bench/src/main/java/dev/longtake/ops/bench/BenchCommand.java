package dev.longtake.ops.bench;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code longtake bench NAME}. */
@Command(
    name = "bench",
    mixinStandardHelpOptions = true,
    description = "Measure, and compare with the goals.",
    footer = {
      "",
      "Exit status: 0 measured, whether goals are met or not (the output says so); 1 failed; 2 no"
          + " such benchmark."
    })
public final class BenchCommand implements Callable<Integer> {
  @Spec @Nullable CommandSpec spec;

  @Parameters(paramLabel = "NAME", arity = "0..1", description = "The benchmark; see --list.")
  @Nullable String name;

  @Option(names = "--list", description = "Show the benchmarks and what they measure.")
  boolean isList;

  @Option(names = "--json", description = "Print the figures as JSON.")
  boolean isJson;

  @Option(
      names = "--tokens",
      paramLabel = "N",
      split = ",",
      description = "For attention-memory: lengths of the sequence.")
  List<Integer> tokens = List.of();

  @Option(
      names = "--channels",
      paramLabel = "C",
      description = "For attention-memory: width of the model.")
  int channels;

  @Option(
      names = "--model",
      paramLabel = "DIR",
      description =
          "For load: a model's folder (default: one is made, which takes 5 GB). For plan: the"
              + " folder whose text encoder and autoencoder are used (default: the demo model). For"
              + " cache and long: a whole model (default: the demo model).")
  @Nullable Path model;

  @Option(
      names = "--seconds",
      paramLabel = "N",
      description =
          "For cache: how long the random load takes (default: 180). For long: how long the video"
              + " is (default: 120).")
  int seconds;

  @Option(
      names = "--runs",
      paramLabel = "N",
      description = "For chaos: jobs (default: 100). For step: rounds (default: 3).")
  int runs;

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "1",
      description = "For chaos: what happens when to whom (default: ${DEFAULT-VALUE}).")
  long seed;

  @Option(names = "--peer", description = "For step: compare with PyTorch on this machine.")
  boolean hasPeer;

  @Option(
      names = "--python",
      paramLabel = "COMMAND",
      defaultValue = "python3",
      description = "For step: the Python that has PyTorch (default: ${DEFAULT-VALUE}).")
  String python = "python3";

  @Option(
      names = "--size",
      paramLabel = "TxS",
      split = ",",
      description = "For step: latent frames and patches of a frame (default: 16x256,15x1590).")
  List<String> sizes = List.of();

  @Option(
      names = "--dtype",
      paramLabel = "TYPE",
      split = ",",
      description = "For step: f32 or bf16 (default: both, where the processor has bf16).")
  List<String> types = List.of();

  private final List<Benchmark> benchmarks;

  /** With all benchmarks. */
  public BenchCommand() {
    this(Benchmarks.all());
  }

  BenchCommand(List<Benchmark> benchmarks) {
    this.benchmarks = benchmarks;
  }

  @Override
  public Integer call() {
    CommandSpec command = spec;
    if (command == null) {
      throw new IllegalStateException("The command runs through picocli only");
    }
    PrintWriter out = command.commandLine().getOut();
    if (isList) {
      for (Benchmark benchmark : benchmarks) {
        out.print(
            String.format(Locale.ROOT, "%-17s %s%n", benchmark.name(), benchmark.description()));
      }
    } else {
      Benchmark benchmark = find(command);
      List<String> notes = new ArrayList<>();
      List<Figure> figures =
          benchmark.run(
              new BenchOptions(
                  tokens,
                  channels,
                  model,
                  seconds,
                  runs,
                  seed,
                  StepOptions.parse(hasPeer, python, sizes, types),
                  notes::add));
      var report = new Report(benchmark.name(), Machine.current(), figures, notes);
      out.print(isJson ? report.json() : report.text());
    }
    out.flush();
    return 0;
  }

  private Benchmark find(CommandSpec command) {
    return benchmarks.stream()
        .filter(benchmark -> benchmark.name().equals(name))
        .findFirst()
        .orElseThrow(() ->
            new ParameterException(
                command.commandLine(),
                "Expected the name of a benchmark (%s), but got %s"
                    .formatted(
                        benchmarks.stream().map(Benchmark::name).collect(Collectors.joining(", ")),
                        name == null ? "none" : "'" + name + "'")));
  }
}
