package dev.longtake.ops.bench;

import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * What a run of a benchmark may be told; each benchmark reads what concerns it.
 *
 * @param tokens lengths to measure, ascending; empty for the benchmark's own
 * @param channels of the model; 0 for the benchmark's own
 * @param model a folder; null to make one
 * @param seconds of load; 0 for the benchmark's own
 * @param runs of what is repeated; 0 for the benchmark's own
 * @param seed of what is chosen at random
 * @param step what only {@link StepBenchmark} reads
 * @param notes gets what a figure can't say, a sentence at a time: what was left out and why, what was chosen
 */
public record BenchOptions(
    List<Integer> tokens,
    int channels,
    @Nullable Path model,
    int seconds,
    int runs,
    long seed,
    StepOptions step,
    Consumer<String> notes) {
  /** Nothing told. */
  public static final BenchOptions NONE = new BenchOptions(List.of(), 0, null);

  public BenchOptions {
    tokens = tokens.stream().sorted().toList();
  }

  /** Nothing told to {@link StepBenchmark}. */
  public BenchOptions(
      List<Integer> tokens,
      int channels,
      @Nullable Path model,
      int seconds,
      int runs,
      long seed,
      Consumer<String> notes) {
    this(tokens, channels, model, seconds, runs, seed, StepOptions.NONE, notes);
  }

  /** Without an ear for notes. */
  public BenchOptions(List<Integer> tokens, int channels, @Nullable Path model) {
    this(tokens, channels, model, /* seconds= */ 0, /* runs= */ 0, /* seed= */ 1, _ -> {});
  }
}
