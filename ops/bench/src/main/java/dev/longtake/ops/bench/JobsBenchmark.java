package dev.longtake.ops.bench;

import dev.longtake.v1.GenerationRequest;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** How many jobs at once are treated, and what keeping them costs. */
final class JobsBenchmark implements Benchmark {
  private static final int WORKERS = 2;
  private static final int RUNS = 7;

  @Override
  public String name() {
    return "jobs";
  }

  @Override
  public String description() {
    return "The demo model, a coordinator and two workers as processes. 200 jobs of two steps from"
        + " 20 clients: 150 of a heavy tenant, 50 of a light one; how long they waited, and"
        + " the light one's share of the first 100 that started. One job with a checkpoint"
        + " after every step, against one without any, in clusters side by side,"
        + " alternating";
  }

  @Override
  public List<Figure> run(BenchOptions options) {
    Path model = options.model() == null ? WholeModel.demoModel() : options.model();
    List<Figure> figures = new ArrayList<>();
    try (TemporaryFolder folder = TemporaryFolder.create();
        BenchCluster cluster =
            BenchCluster.onLoopback(
                model, folder.path(), WORKERS, List.of("--queue-limit", "1000"))) {
      figures.addAll(new TenantLoad(cluster.client()).measure());
    }
    figures.add(checkpointCost(model));
    return figures;
  }

  private static Figure checkpointCost(Path model) {
    try (TemporaryFolder with = TemporaryFolder.create();
        TemporaryFolder without = TemporaryFolder.create();
        BenchCluster keeps =
            BenchCluster.onLoopback(model, with.path(), 1, List.of("--checkpoint-every", "1"));
        BenchCluster forgets =
            BenchCluster.onLoopback(model, without.path(), 1, List.of("--checkpoint-every", "0"))) {
      List<Double> ratios = new ArrayList<>();
      for (int i = 0; i < RUNS; i++) {
        double kept = seconds(keeps);
        ratios.add(kept / seconds(forgets));
      }
      return new Figure("jobs.checkpoint.ratio", Medians.of(ratios), "ratio", Goal.atMost(1.05));
    }
  }

  private static double seconds(BenchCluster cluster) {
    long start = System.nanoTime();
    cluster.run(
        GenerationRequest.newBuilder()
            .setPrompt("a red circle moving right on a black background")
            .setSeed(7)
            .build());
    return (System.nanoTime() - start) / 1e9;
  }
}
