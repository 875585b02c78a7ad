package dev.longtake.ops.bench;

import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a run of a benchmark may be told; each benchmark reads what concerns it.
 *
 * @param tokens lengths to measure, ascending; empty for the benchmark's own
 * @param channels of the model; 0 for the benchmark's own
 * @param model a folder; null to make one
 */
public record BenchOptions(List<Integer> tokens, int channels, @Nullable Path model) {
  /** Nothing told. */
  public static final BenchOptions NONE = new BenchOptions(List.of(), 0, null);

  public BenchOptions {
    tokens = tokens.stream().sorted().toList();
  }
}
