package dev.longtake.ops.bench;

import dev.longtake.common.partition.Partition;
import dev.longtake.common.plan.ExecutionPlan;
import dev.longtake.common.plan.SequenceMode;
import dev.longtake.common.tensor.DType;
import dev.longtake.ops.model.RandomModel;
import dev.longtake.v1.WorkFinished;
import dev.longtake.v1.WorkOrder;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/**
 * Two single-threaded workers against one: the time of a step on every axis, and jobs per second with block ranges and two jobs in
 * flight. Every run is checked against one worker's, bit by bit.
 *
 * <p>One worker and two take turns, round by round, in processes that live as long as the benchmark, so that a machine that gets
 * slower gets slower for both. A ratio is that of medians.
 */
final class ScalingBenchmark implements Benchmark {
  private static final double SEQUENCE_GOAL = 1.85;
  private static final double RANGES_GOAL = 1.9;
  private static final String HEAP = "256m";
  private static final int WORKERS = 2;
  private static final long SEED = 1;

  /** One of one worker, the others of two. */
  private static final String SOLO = "solo";

  private static final String SWITCH = "switch";
  private static final String SWITCH_IN_TWO = "switch_in_two";

  private final ScalingSizes sizes;

  ScalingBenchmark() {
    this(ScalingSizes.OPEN_SORA);
  }

  ScalingBenchmark(ScalingSizes sizes) {
    this.sizes = sizes;
  }

  @Override
  public String name() {
    return "scaling";
  }

  @Override
  public String description() {
    return ("Two worker processes of one thread against one such worker: STDiT3 of width %d, %d"
            + " pairs of blocks with random weights, float32, %d frames of %d x %d latents with"
            + " guidance. Time of a step (slowest rank, medians of %d alternating rounds of %d"
            + " steps after a warm-up) by sequence ranks and branches; jobs per second with"
            + " half of the blocks on each worker and two jobs of %d frames and %d steps at"
            + " once. Outputs are compared bit by bit. NAME_in_two: with two micro-batches")
        .formatted(
            sizes.channels(),
            sizes.pairs(),
            sizes.frames(),
            sizes.side(),
            sizes.side(),
            sizes.rounds(),
            sizes.steps(),
            sizes.jobFrames(),
            sizes.jobSteps());
  }

  @Override
  public List<Figure> run(BenchOptions options) {
    List<Figure> figures = new ArrayList<>();
    try (TemporaryFolder folder = TemporaryFolder.create()) {
      RandomModel model = sizes.model();
      var path = folder.path();
      model.write(path, DType.F32, RandomModel.SHARD_BYTES, SEED);
      try (WorkerGang one = WorkerGang.start("one", 1, path, path, HEAP, /* threads= */ 1);
          WorkerGang two = WorkerGang.start("two", WORKERS, path, path, HEAP, /* threads= */ 1)) {
        addSteps(figures, model, one, two);
        addRanges(figures, model, one, two);
      }
    }
    return figures;
  }

  private Map<String, ExecutionPlan> plans() {
    Map<String, ExecutionPlan> plans = new LinkedHashMap<>();
    plans.put(SOLO, ExecutionPlan.solo(sizes.blocks()));
    plans.put(SWITCH, sequence(SequenceMode.SWITCH, 1));
    plans.put(SWITCH_IN_TWO, sequence(SequenceMode.SWITCH, 2));
    plans.put("heads_in_two", sequence(SequenceMode.HEADS, 2));
    plans.put("gather_in_two", sequence(SequenceMode.GATHER, 2));
    ExecutionPlan solo = ExecutionPlan.solo(sizes.blocks());
    plans.put(
        "branches", new ExecutionPlan(WORKERS, solo.stages(), 1, solo.mode(), solo.shares(), 1));
    return plans;
  }

  private ExecutionPlan sequence(SequenceMode mode, int microBatches) {
    ExecutionPlan plan = ExecutionPlan.sequence(sizes.blocks(), WORKERS, mode);
    return new ExecutionPlan(1, plan.stages(), WORKERS, mode, plan.shares(), microBatches);
  }

  private void addSteps(List<Figure> figures, RandomModel model, WorkerGang one, WorkerGang two) {
    WorkOrder task = sizes.task(model, SEED);
    Map<String, ExecutionPlan> plans = plans();
    Map<String, List<GangRun>> runs = new LinkedHashMap<>();
    plans.keySet().forEach(name -> runs.put(name, new ArrayList<>()));
    // The first round warms up: weights are loaded and loops compiled.
    GangRun expected = one.run(ExecutionPlan.solo(sizes.blocks()), task);
    List<String> order = new ArrayList<>(plans.keySet());
    for (int round = 0; round <= sizes.rounds(); round++) {
      for (String name : order) {
        ExecutionPlan plan = plans.getOrDefault(name, ExecutionPlan.solo(sizes.blocks()));
        GangRun run = (plan.workers() == 1 ? one : two).run(plan, task);
        run.requireSame(expected, RandomTasks.FINAL, "plan " + name);
        if (round > 0) {
          runs.getOrDefault(name, List.of()).add(run);
        }
      }
      Collections.reverse(order);
    }
    Map<String, Double> seconds = new LinkedHashMap<>();
    runs.forEach((name, all) -> seconds.put(name, stepSeconds(all)));
    double solo = seconds.getOrDefault(SOLO, Double.NaN);
    double whole = solo / seconds.getOrDefault(SWITCH, Double.NaN);
    double inTwo = solo / seconds.getOrDefault(SWITCH_IN_TWO, Double.NaN);
    figures.add(
        figure("sequence.speedup", Math.max(whole, inTwo), "ratio", Goal.atLeast(SEQUENCE_GOAL)));
    figures.add(
        figure("sequence.micro_batches", inTwo > whole ? 2 : 1, "micro-batches", Goal.none()));
    figures.add(figure("solo.step_seconds", solo, "s", Goal.none()));
    runs.forEach((name, all) -> {
      if (!name.equals(SOLO)) {
        double step = seconds.getOrDefault(name, Double.NaN);
        figures.add(figure(name + ".step_seconds", step, "s", Goal.none()));
        figures.add(figure(name + ".speedup", solo / step, "ratio", Goal.none()));
        addShares(figures, name, all);
      }
    });
  }

  private double stepSeconds(List<GangRun> runs) {
    return Medians.of(runs.stream().map(run -> run.samplingSeconds() / sizes.steps()).toList());
  }

  /** Parts of each rank's sampling time; hidden exchange is part of computing. */
  private static void addShares(List<Figure> figures, String name, List<GangRun> runs) {
    for (int rank = 0; rank < WORKERS; rank++) {
      String at = name + ".rank_" + rank + ".";
      int of = rank;
      Function<Function<WorkFinished, com.google.protobuf.Duration>, Double> median =
          part -> Medians.of(runs.stream().map(run -> run.share(of, part)).toList());
      figures.add(share(at + "exposed_share", median.apply(WorkFinished::getExchange)));
      figures.add(share(at + "hidden_share", median.apply(WorkFinished::getExchangeHidden)));
      figures.add(share(at + "idle_share", median.apply(WorkFinished::getIdle)));
    }
  }

  /**
   * Two jobs at once on one worker, then on two with half of the blocks each. The clock runs from the orders to the last answer, so
   * that filling and draining the two stages counts: half a step each.
   */
  private void addRanges(List<Figure> figures, RandomModel model, WorkerGang one, WorkerGang two) {
    ExecutionPlan solo = ExecutionPlan.solo(sizes.blocks());
    ExecutionPlan halves = halves(solo);
    List<WorkOrder> tasks = tasks(model, sizes.jobSteps());
    // Loads half of the weights on each of the two.
    two.runTogether(halves, tasks(model, 1));
    List<Double> alone = new ArrayList<>();
    List<Double> together = new ArrayList<>();
    List<Timed> pipelined = new ArrayList<>();
    for (int round = 0; round < sizes.jobRounds(); round++) {
      Timed expected = timed(one, solo, tasks);
      Timed actual = timed(two, halves, tasks);
      for (int job = 0; job < tasks.size(); job++) {
        actual
            .runs()
            .get(job)
            .requireSame(expected.runs().get(job), RandomTasks.FINAL, "block ranges");
      }
      alone.add(expected.seconds());
      together.add(actual.seconds());
      pipelined.add(actual);
    }
    double jobs = tasks.size();
    double throughput = Medians.of(alone) / Medians.of(together);
    figures.add(figure("ranges.throughput", throughput, "ratio", Goal.atLeast(RANGES_GOAL)));
    figures.add(figure("ranges.steps", sizes.jobSteps(), "steps", Goal.none()));
    // 2 K steps of a worker are 2 K + 1 half steps in two stages.
    double steps = jobs * sizes.jobSteps();
    figures.add(figure("ranges.limit", WORKERS * steps / (steps + 1), "ratio", Goal.none()));
    // By job: jobs per second are the reciprocal.
    figures.add(figure("ranges.solo.seconds_per_job", Medians.of(alone) / jobs, "s", Goal.none()));
    figures.add(figure("ranges.seconds_per_job", Medians.of(together) / jobs, "s", Goal.none()));
    for (int rank = 0; rank < WORKERS; rank++) {
      int of = rank;
      figures.add(
          share(
              "ranges.rank_" + rank + ".busy_share",
              Medians.of(pipelined.stream().map(timed -> timed.busyShare(of)).toList())));
    }
  }

  private ExecutionPlan halves(ExecutionPlan solo) {
    Partition half = new Partition(sizes.blocks(), WORKERS);
    return new ExecutionPlan(1, List.of(half.of(0), half.of(1)), 1, solo.mode(), solo.shares(), 1);
  }

  private List<WorkOrder> tasks(RandomModel model, int steps) {
    return List.of(sizes.job(model, steps, SEED), sizes.job(model, steps, SEED + 1));
  }

  private record Timed(double seconds, List<GangRun> runs) {
    /** What a worker computed for all jobs; waiting for the other stage or a link is not busy. */
    double busyShare(int rank) {
      return runs.stream()
              .mapToDouble(run -> GangRun.seconds(run.finished(rank).getCompute()))
              .sum()
          / seconds;
    }
  }

  private static Timed timed(WorkerGang gang, ExecutionPlan plan, List<WorkOrder> tasks) {
    long start = System.nanoTime();
    List<GangRun> runs = gang.runTogether(plan, tasks);
    return new Timed((System.nanoTime() - start) / 1e9, runs);
  }

  private static Figure share(String name, double value) {
    return figure(name, value, "share", Goal.none());
  }

  private static Figure figure(String name, double value, String unit, Goal goal) {
    return new Figure("scaling." + name, value, unit, goal);
  }
}
