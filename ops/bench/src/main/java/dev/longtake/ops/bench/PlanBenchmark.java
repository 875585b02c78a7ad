package dev.longtake.ops.bench;

import dev.longtake.common.plan.ExecutionPlan;
import dev.longtake.common.plan.Plans;
import dev.longtake.v1.ClusterStatus;
import dev.longtake.v1.LinkTimes;
import dev.longtake.v1.ModelProfile;
import dev.longtake.v1.PlanCandidate;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * How right the planner is: its predictions beside measured steps, and its choices beside the best of all plans, over links of several
 * rates. A real coordinator, which measures two real workers of one thread; jobs and questions come through the client.
 */
final class PlanBenchmark implements Benchmark {
  private static final double ERROR_GOAL = 0.15;
  private static final int PLANS_GOAL = 8;
  private static final double REGRET_GOAL = 0.05;
  private static final int WORKERS = 2;

  /** Plans this much slower than the best in one round are not the best. */
  private static final double CONTENDER = 1.2;

  private final PlanSizes sizes;

  PlanBenchmark() {
    this(PlanSizes.OPEN_SORA);
  }

  PlanBenchmark(PlanSizes sizes) {
    this.sizes = sizes;
  }

  @Override
  public String name() {
    return "plan";
  }

  @Override
  public String description() {
    return ("A coordinator with two workers of one thread, STDiT3 of width %d with %d pairs of"
            + " blocks and random weights, float32: predicted step time against measured (median of"
            + " %d rounds of %d steps) for %d plans at clips of %s; and how much slower the chosen"
            + " plan is than the fastest of all %d, with the workers in network namespaces and"
            + " links of %s Gbit/s between them, which takes root's rights on Linux")
        .formatted(
            sizes.channels(),
            sizes.pairs(),
            sizes.rounds(),
            sizes.steps(),
            TwoWorkerPlans.samples(sizes.blocks()).size(),
            sizes.clips(),
            TwoWorkerPlans.all(sizes.blocks()).size(),
            sizes.gigabits());
  }

  @Override
  public List<Figure> run(BenchOptions options) {
    List<Figure> figures = new ArrayList<>();
    try (TemporaryFolder folder = TemporaryFolder.create()) {
      Path model = folder.path().resolve("model");
      Path base = options.model();
      WholeModel.write(
          model,
          base == null ? WholeModel.demoModel() : base,
          sizes.channels(),
          sizes.heads(),
          sizes.pairs());
      addPredictions(figures, model, logs(folder, "predictions"));
      addChoices(figures, options, model, folder);
    }
    return figures;
  }

  private static Path logs(TemporaryFolder folder, String name) {
    try {
      return Files.createDirectories(folder.path().resolve(name));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void addPredictions(List<Figure> figures, Path model, Path logs) {
    List<Figure> details = new ArrayList<>();
    double worst = 0;
    int compared = 0;
    Map<String, Double> worstOfPlans = new LinkedHashMap<>();
    try (BenchCluster cluster = BenchCluster.onLoopback(model, logs, WORKERS)) {
      Map<String, ExecutionPlan> plans = TwoWorkerPlans.samples(sizes.blocks());
      for (PlanSizes.Clip clip : sizes.clips()) {
        MeasuredPlans measured = new MeasuredPlans(cluster, clip, sizes.steps());
        // As a job would get it that comes first: before this clip was ever run.
        Map<String, Double> predicted = new LinkedHashMap<>();
        plans.forEach((name, plan) -> predicted.put(name, measured.predictedSeconds(plan)));
        measured.warmUp(plans);
        measured.measure(plans, sizes.rounds());
        for (Map.Entry<String, Double> prediction : predicted.entrySet()) {
          double actual = measured.measuredSeconds(prediction.getKey());
          double error = Math.abs(prediction.getValue() - actual) / actual;
          worst = Math.max(worst, error);
          compared++;
          worstOfPlans.merge(prediction.getKey(), error, Math::max);
          String at = "prediction.%s.%s.".formatted(clip, prediction.getKey());
          details.add(figure(at + "predicted_seconds", prediction.getValue(), "s", Goal.none()));
          details.add(figure(at + "measured_seconds", actual, "s", Goal.none()));
          details.add(figure(at + "error", error, "share", Goal.none()));
        }
      }
    }
    figures.add(figure("prediction.worst_error", worst, "share", Goal.atMost(ERROR_GOAL)));
    double close = worstOfPlans.values().stream().mapToInt(e -> e <= ERROR_GOAL ? 1 : 0).sum();
    figures.add(figure("prediction.close_plans", close, "plans", Goal.atLeast(PLANS_GOAL)));
    figures.add(figure("prediction.compared", compared, "plans", Goal.none()));
    figures.addAll(details);
  }

  private void addChoices(
      List<Figure> figures, BenchOptions options, Path model, TemporaryFolder folder) {
    List<Figure> details = new ArrayList<>();
    double worst = 0;
    try (ShapedLinks links = ShapedLinks.create()) {
      for (double gigabits : sizes.gigabits()) {
        links.shape(gigabits * 1e9);
        String name = "gbit_" + String.format(Locale.ROOT, "%.0f", gigabits);
        try (BenchCluster cluster = BenchCluster.on(links, model, logs(folder, name))) {
          Choice choice = choice(cluster);
          worst = Math.max(worst, choice.regret());
          addChoice(details, "choice." + name + ".", cluster.client().clusterStatus(), choice);
          options
              .notes()
              .accept(
                  "At %.0f Gbit/s (%s) the planner chose %s; the fastest of %d plans was %s."
                      .formatted(
                          gigabits,
                          links.discipline(),
                          choice.chosen,
                          choice.seconds.size(),
                          choice.best()));
        }
      }
    } catch (ShapedLinks.UnavailableException e) {
      options
          .notes()
          .accept(
              "plan.choice.worst_regret is left out: it needs network namespaces with shaped links,"
                  + " and "
                  + e.getMessage());
      return;
    }
    figures.add(figure("choice.worst_regret", worst, "share", Goal.atMost(REGRET_GOAL)));
    figures.addAll(details);
  }

  /**
   * What was chosen and what else there was.
   *
   * @param seconds of a step, by plans
   */
  private record Choice(String chosen, double predicted, Map<String, Double> seconds) {
    String best() {
      return Collections.min(seconds.entrySet(), Map.Entry.comparingByValue()).getKey();
    }

    double secondsOf(String plan) {
      return seconds.getOrDefault(plan, Double.NaN);
    }

    double regret() {
      return secondsOf(chosen) / secondsOf(best()) - 1;
    }
  }

  /** All plans run once; those that may be the best, and the chosen one, run in further rounds. */
  private Choice choice(BenchCluster cluster) {
    MeasuredPlans measured = new MeasuredPlans(cluster, sizes.clips().getFirst(), sizes.steps());
    Map<String, ExecutionPlan> plans = new LinkedHashMap<>(TwoWorkerPlans.all(sizes.blocks()));
    PlanCandidate candidate = measured.chosen();
    ModelProfile profile = cluster.client().clusterStatus().getModel().getProfile();
    String chosen = nameOf(Plans.of(candidate.getPlan(), profile), plans);
    measured.warmUp(plans);
    measured.measure(plans, 1);
    double best =
        plans.keySet().stream().mapToDouble(measured::measuredSeconds).min().orElse(Double.NaN);
    Map<String, ExecutionPlan> contenders = new LinkedHashMap<>(plans);
    contenders
        .keySet()
        .removeIf(
            name -> !name.equals(chosen) && measured.measuredSeconds(name) > CONTENDER * best);
    measured.measure(contenders, sizes.rounds());
    Map<String, Double> seconds = new LinkedHashMap<>();
    plans.keySet().forEach(name -> seconds.put(name, measured.measuredSeconds(name)));
    return new Choice(
        chosen, GangRun.seconds(candidate.getPlan().getPrediction().getStep()), seconds);
  }

  /** What the enumeration calls a plan that runs the same way; one that it lacks is added to it. */
  private static String nameOf(ExecutionPlan plan, Map<String, ExecutionPlan> plans) {
    for (Map.Entry<String, ExecutionPlan> known : plans.entrySet()) {
      if (isSame(plan, known.getValue())) {
        return known.getKey();
      }
    }
    String name = "chosen";
    plans.put(name, plan);
    return name;
  }

  /** The mode means nothing where one rank has the whole sequence, nor more parts than a worker has rows. */
  private static boolean isSame(ExecutionPlan one, ExecutionPlan other) {
    boolean sameParts =
        one.microBatches() == other.microBatches() || one.branchGroups() > 1 || one.workers() == 1;
    return one.branchGroups() == other.branchGroups()
        && one.stages().equals(other.stages())
        && one.sequenceRanks() == other.sequenceRanks()
        && (one.sequenceRanks() == 1
            || (one.mode() == other.mode() && one.shares().equals(other.shares())))
        && sameParts;
  }

  private static void addChoice(
      List<Figure> figures, String at, ClusterStatus status, Choice choice) {
    double rate =
        status.getLinksList().stream()
            .mapToDouble(LinkTimes::getBytesPerSecond)
            .min()
            .orElse(Double.NaN);
    figures.add(figure(at + "measured_link", rate, "bytes/s", Goal.none()));
    figures.add(figure(at + "regret", choice.regret(), "share", Goal.none()));
    figures.add(figure(at + "predicted_seconds", choice.predicted, "s", Goal.none()));
    choice.seconds.forEach(
        (name, seconds) -> figures.add(figure(at + name + ".seconds", seconds, "s", Goal.none())));
  }

  private static Figure figure(String name, double value, String unit, Goal goal) {
    return new Figure("plan." + name, value, unit, goal);
  }
}
