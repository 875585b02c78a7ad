package dev.longtake.ops.bench;

import java.util.List;

/** Something that can be measured by name; add a new one to {@link Benchmarks#all()}. */
public interface Benchmark {
  /** What {@code longtake bench} is called with; also the first part of its figures' names. */
  String name();

  /** One line that says what is run and what is counted. */
  String description();

  /**
   * Measures. Runs for at most some ten minutes.
   *
   * @throws dev.longtake.common.error.LongtakeException when what is measured fails
   */
  List<Figure> run(BenchOptions options);
}
