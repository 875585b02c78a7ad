package dev.longtake.ops.bench;

import dev.longtake.client.LongtakeClient;
import dev.longtake.common.plan.ExecutionPlan;
import dev.longtake.common.plan.Plans;
import dev.longtake.v1.ExplainResponse;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.PlanCandidate;
import dev.longtake.v1.Precision;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Step times of plans on a cluster, predicted and measured, for one clip. */
final class MeasuredPlans {
  private static final String PROMPT = "a red circle moving right on a black background";
  private static final long SEED = 1;

  private final BenchCluster cluster;
  private final GenerationRequest request;
  private final Map<String, List<Double>> seconds = new LinkedHashMap<>();

  MeasuredPlans(BenchCluster cluster, PlanSizes.Clip clip, int steps) {
    this.cluster = cluster;
    request =
        GenerationRequest.newBuilder()
            .setPrompt(PROMPT)
            .setFrames(clip.frames())
            .setHeight(clip.height())
            .setWidth(clip.width())
            .setSteps(steps)
            .setSeed(SEED)
            .setPrecision(Precision.PRECISION_F32)
            .build();
  }

  /** What the coordinator predicts for a step. */
  double predictedSeconds(ExecutionPlan plan) {
    return predictedSeconds(explain(with(plan)).getPlan().getPrediction().getStep());
  }

  private static double predictedSeconds(com.google.protobuf.Duration step) {
    return GangRun.seconds(step);
  }

  /** What the coordinator would choose now, with its prediction. */
  PlanCandidate chosen() {
    return explain(request);
  }

  private PlanCandidate explain(GenerationRequest asked) {
    LongtakeClient client = cluster.client();
    ExplainResponse answer = client.explain(asked, 1);
    return answer.getCandidates(0);
  }

  private GenerationRequest with(ExecutionPlan plan) {
    return request.toBuilder().setPlan(Plans.message(plan)).build();
  }

  /** Runs every plan once for a step each, so that weights are loaded and loops compiled. */
  void warmUp(Map<String, ExecutionPlan> plans) {
    plans.values().forEach(plan -> cluster.run(with(plan).toBuilder().setSteps(1).build()));
  }

  /** Runs every plan once in each round, and keeps the times; every second round in the opposite order. */
  void measure(Map<String, ExecutionPlan> plans, int rounds) {
    List<String> order = new ArrayList<>(plans.keySet());
    for (int round = 0; round < rounds; round++) {
      for (String name : order) {
        ExecutionPlan plan = plans.get(name);
        if (plan != null) {
          seconds
              .computeIfAbsent(name, _ -> new ArrayList<>())
              .add(stepSeconds(cluster.run(with(plan))));
        }
      }
      Collections.reverse(order);
    }
  }

  /** From the first step to the last on the slowest rank, by steps. */
  private double stepSeconds(Job job) {
    double sampling =
        job.getRankTimesList().stream()
            .mapToDouble(rank -> GangRun.seconds(rank.getSampling()))
            .max()
            .orElse(Double.NaN);
    return sampling / request.getSteps();
  }

  /** The median of what was measured; NaN of what was not. */
  double measuredSeconds(String name) {
    return Medians.of(seconds.getOrDefault(name, List.of()));
  }
}
