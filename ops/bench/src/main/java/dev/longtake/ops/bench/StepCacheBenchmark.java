package dev.longtake.ops.bench;

import dev.longtake.client.LongtakeClient;
import dev.longtake.common.plan.ExecutionPlan;
import dev.longtake.common.plan.Plans;
import dev.longtake.common.plan.SequenceMode;
import dev.longtake.common.tensor.DType;
import dev.longtake.ops.bench.quality.VideoDifference;
import dev.longtake.ops.model.RandomModel;
import dev.longtake.v1.Broadcast;
import dev.longtake.v1.FirstBlock;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.RankTime;
import dev.longtake.v1.StepCache;
import dev.longtake.v1.WorkOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToDoubleFunction;

/**
 * What step caches save and what they cost. A speed-up is never told without the error of the same video, against the one whose every step
 * was computed; both are the demo model's. The share of exchanged bytes that was published belongs to a schedule and a depth, and is
 * measured with these.
 */
final class StepCacheBenchmark implements Benchmark {
  /** 13.08 of 23.08 GB, for 480p, 2 s (arXiv 2408.12588). */
  private static final double SHARE_GOAL = 0.6;

  private static final int WORKERS = 2;
  private static final int DEFAULT_ROUNDS = 3;
  private static final String HEAP = "256m";
  private static final long SEED = 7;

  private final StepCacheSizes sizes;

  StepCacheBenchmark() {
    this(StepCacheSizes.PUBLISHED);
  }

  StepCacheBenchmark(StepCacheSizes sizes) {
    this.sizes = sizes;
  }

  @Override
  public String name() {
    return "stepcache";
  }

  @Override
  public String description() {
    return ("Two worker processes of one thread that switch between frames and patches, with and"
            + " without step caches. published: STDiT3 with %d pairs of blocks and random"
            + " weights, %d steps on the schedule of 480p and 2 s, broadcast with ranges 2-4-6."
            + " The others: the demo model's video, for each mode the ratio of the sampling"
            + " times (medians of alternating runs), the share of exchanged bytes, and PSNR,"
            + " SSIM and the error of the worst frame (0 to 255) against the exact video, as"
            + " decoded from the MP4s")
        .formatted(sizes.pairs(), sizes.steps());
  }

  @Override
  public List<Figure> run(BenchOptions options) {
    Path model = options.model() == null ? WholeModel.demoModel() : options.model();
    List<Figure> figures = new ArrayList<>();
    try (TemporaryFolder folder = TemporaryFolder.create()) {
      addPublished(figures, folder.path());
    }
    try (TemporaryFolder folder = TemporaryFolder.create();
        BenchCluster cluster = BenchCluster.onLoopback(model, folder.path(), WORKERS)) {
      int rounds = options.runs() == 0 ? DEFAULT_ROUNDS : options.runs();
      addVideos(figures, cluster, folder.path(), rounds);
    }
    return figures;
  }

  private static StepCache broadcast() {
    return StepCache.newBuilder()
        .setBroadcast(Broadcast.newBuilder().setSpatial(2).setTemporal(4).setCross(6))
        .build();
  }

  private static StepCache firstBlock(double threshold) {
    return StepCache.newBuilder()
        .setFirstBlock(FirstBlock.newBuilder().setThreshold(threshold))
        .build();
  }

  private void addPublished(List<Figure> figures, Path folder) {
    RandomModel model = sizes.model();
    model.write(folder, DType.F32, RandomModel.SHARD_BYTES, SEED);
    ExecutionPlan plan = ExecutionPlan.sequence(2 * sizes.pairs(), WORKERS, SequenceMode.SWITCH);
    try (WorkerGang gang = WorkerGang.start("two", WORKERS, folder, folder, HEAP, 1)) {
      WorkOrder exact = sizes.task(model, SEED);
      WorkOrder.Builder cached = exact.toBuilder();
      cached.getSamplingBuilder().setStepCache(broadcast());
      double share =
          sentBytes(gang.run(plan, cached.build())) / (double) sentBytes(gang.run(plan, exact));
      figures.add(figure("published.exchanged_share", share, "ratio", Goal.atMost(SHARE_GOAL)));
    }
  }

  private static long sentBytes(GangRun run) {
    return run.ranks().stream().mapToLong(rank -> rank.finished().getExchangedBytes()).sum();
  }

  /** Runs of one mode; all make the same video. */
  private static final class Runs {
    final List<Job> jobs = new ArrayList<>();

    double median(ToDoubleFunction<Job> of) {
      return Medians.of(jobs.stream().map(of::applyAsDouble).toList());
    }
  }

  private static void addVideos(
      List<Figure> figures, BenchCluster cluster, Path folder, int rounds) {
    Map<String, StepCache> modes = new LinkedHashMap<>();
    modes.put("exact", StepCache.getDefaultInstance());
    modes.put("broadcast_2_4_6", broadcast());
    modes.put("first_block_5", firstBlock(0.05));
    modes.put("first_block_10", firstBlock(0.1));
    Map<String, Runs> runs = new LinkedHashMap<>();
    for (int round = 0; round <= rounds; round++) {
      for (Map.Entry<String, StepCache> mode : modes.entrySet()) {
        Job job = cluster.run(request(mode.getValue()));
        // The first round warms up: weights are loaded and loops compiled.
        if (round > 0) {
          runs.computeIfAbsent(mode.getKey(), _ -> new Runs()).jobs.add(job);
        }
      }
    }
    Runs exact = runs.getOrDefault("exact", new Runs());
    Path expected = download(cluster.client(), exact, folder.resolve("exact.mp4"));
    double seconds = exact.median(StepCacheBenchmark::samplingSeconds);
    double bytes = exact.median(StepCacheBenchmark::sentBytes);
    runs.forEach((name, ofMode) -> {
      if (ofMode != exact) {
        Path video = download(cluster.client(), ofMode, folder.resolve(name + ".mp4"));
        VideoDifference error = VideoDifference.of(video, expected);
        figures.add(
            figure(
                name + ".speedup",
                seconds / ofMode.median(StepCacheBenchmark::samplingSeconds),
                "ratio",
                Goal.none()));
        figures.add(figure(name + ".psnr", error.psnrDb(), "dB", Goal.none()));
        figures.add(figure(name + ".ssim", error.ssim(), "ratio", Goal.none()));
        figures.add(
            figure(
                name + ".largest_frame_error", error.largestFrameError(), "levels", Goal.none()));
        figures.add(
            figure(
                name + ".exchanged_share",
                ofMode.median(StepCacheBenchmark::sentBytes) / bytes,
                "ratio",
                Goal.none()));
      }
    });
  }

  private static GenerationRequest request(StepCache cache) {
    GenerationRequest.Builder request =
        GenerationRequest.newBuilder()
            .setPrompt("a red circle moving right on a black background")
            .setSeed(SEED)
            .setPlan(
                Plans.message(
                    ExecutionPlan.sequence(/* blocks= */ 1, WORKERS, SequenceMode.SWITCH)));
    if (!cache.equals(StepCache.getDefaultInstance())) {
      request.setStepCache(cache);
    }
    return request.build();
  }

  private static Path download(LongtakeClient client, Runs runs, Path file) {
    return client.download(runs.jobs.getFirst().getId(), file);
  }

  private static double samplingSeconds(Job job) {
    return job.getRankTimesList().stream()
        .mapToDouble(rank -> GangRun.seconds(rank.getSampling()))
        .max()
        .orElse(Double.NaN);
  }

  private static double sentBytes(Job job) {
    return job.getRankTimesList().stream().mapToLong(RankTime::getSentBytes).sum();
  }

  private static Figure figure(String name, double value, String unit, Goal goal) {
    return new Figure("stepcache." + name, value, unit, goal);
  }
}
