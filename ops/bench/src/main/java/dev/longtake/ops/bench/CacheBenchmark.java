package dev.longtake.ops.bench;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/**
 * What the two caches of texts save and whether they may be trusted: a prompt that comes again in a cluster of processes, many jobs
 * at once on one worker, random load on a cache that is too small, and what it is worth at two sizes.
 */
final class CacheBenchmark implements Benchmark {
  /** "Some minutes" of random load. */
  private static final int LOAD_SECONDS = 180;

  @Override
  public String name() {
    return "cache";
  }

  @Override
  public String description() {
    return "The demo model. A coordinator and a worker as processes: a prompt's second request"
        + " against its first. One worker in this process: 64 jobs at once over 8 prompts, and"
        + " random load for --seconds (default 180) with a cache of a quarter of the working set,"
        + " compared with results of no cache. What a prompt's work is, for the demo model and at"
        + " Open-Sora 1.2's full size";
  }

  @Override
  public List<Figure> run(BenchOptions options) {
    Path model = options.model() == null ? WholeModel.demoModel() : options.model();
    List<Figure> figures = new ArrayList<>();
    try (TemporaryFolder folder = TemporaryFolder.create();
        BenchCluster cluster = BenchCluster.onLoopback(model, folder.path(), 1)) {
      figures.addAll(new RepeatedPrompts(cluster).measure());
    }
    int seconds = options.seconds() == 0 ? LOAD_SECONDS : options.seconds();
    figures.addAll(new CacheLoad(model).measure(Duration.ofSeconds(seconds)));
    figures.addAll(CacheSavings.measure(model, options.notes()));
    return figures;
  }

  /** A figure of this benchmark that is a whole number. */
  static Figure count(String name, long value, String unit, Goal goal) {
    return figure(name, (double) value, unit, goal);
  }

  /** A figure of this benchmark. */
  static Figure figure(String name, double value, String unit, Goal goal) {
    return new Figure("cache." + name, value, unit, goal);
  }
}
