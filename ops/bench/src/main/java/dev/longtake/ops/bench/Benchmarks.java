package dev.longtake.ops.bench;

import java.util.List;

/** Every benchmark there is. */
final class Benchmarks {
  private Benchmarks() {}

  static List<Benchmark> all() {
    return List.of(
        new DemoBenchmark(),
        new AttentionBenchmark(),
        new AttentionMemoryBenchmark(),
        new LoadBenchmark(),
        new StepBenchmark(),
        new ScalingBenchmark(),
        new PlanBenchmark(),
        new ExchangeBenchmark(),
        new CacheBenchmark(),
        new StepCacheBenchmark(),
        new ChaosBenchmark(),
        new JobsBenchmark(),
        new LongVideoBenchmark(),
        new WatchesBenchmark());
  }
}
