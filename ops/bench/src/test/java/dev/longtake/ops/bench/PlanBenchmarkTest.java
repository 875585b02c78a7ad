package dev.longtake.ops.bench;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.plan.ExecutionPlan;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("long")
class PlanBenchmarkTest {
  private static final PlanSizes TINY =
      new PlanSizes(
          /* channels= */ 64,
          /* heads= */ 4,
          /* pairs= */ 1,
          List.of(new PlanSizes.Clip(3, 32, 32)),
          /* steps= */ 2,
          /* rounds= */ 1,
          List.of(10.0));

  @Test
  void shouldCompareEveryPlanAndEveryChoiceWhenSizesAreTiny() {
    List<String> notes = new ArrayList<>();
    Map<String, Figure> figures =
        new PlanBenchmark(TINY)
                .run(new BenchOptions(List.of(), 0, Path.of("../demo-model"), 0, 0, 1, notes::add))
                .stream()
                .collect(Collectors.toMap(Figure::name, figure -> figure));
    assertThat(get(figures, "plan.prediction.compared").value()).isGreaterThanOrEqualTo(8);
    double worst = 0;
    int close = 0;
    for (String name : TwoWorkerPlans.samples(2).keySet()) {
      String at = "plan.prediction.3x32x32." + name + ".";
      double predicted = get(figures, at + "predicted_seconds").value();
      double measured = get(figures, at + "measured_seconds").value();
      assertThat(predicted).as(name).isPositive();
      assertThat(measured).as(name).isPositive();
      double error = get(figures, at + "error").value();
      assertThat(error).isEqualTo(Math.abs(predicted - measured) / measured);
      worst = Math.max(worst, error);
      close += error <= 0.15 ? 1 : 0;
    }
    assertThat(get(figures, "plan.prediction.worst_error").value()).isEqualTo(worst);
    assertThat(get(figures, "plan.prediction.close_plans").value()).isEqualTo(close);
    assertThat(notes).hasSize(1);
    if (figures.containsKey("plan.choice.worst_regret")) {
      assertThat(get(figures, "plan.choice.worst_regret").value()).isNotNegative();
      assertThat(get(figures, "plan.choice.gbit_10.measured_link").value()).isPositive();
      for (String name : TwoWorkerPlans.all(2).keySet()) {
        assertThat(get(figures, "plan.choice.gbit_10." + name + ".seconds").value())
            .as(name)
            .isPositive();
      }
      assertThat(notes.getFirst()).startsWith("At 10 Gbit/s (").contains("the planner chose");
    } else {
      assertThat(notes.getFirst()).startsWith("plan.choice.worst_regret is left out: ");
    }
  }

  private static Figure get(Map<String, Figure> figures, String name) {
    return Objects.requireNonNull(figures.get(name), name);
  }

  @Test
  void shouldNameDifferentPlansForTwoWorkersAtMost() {
    Map<String, ExecutionPlan> all = TwoWorkerPlans.all(4);
    // One worker, two groups, three places to divide four blocks at and five modes, in one part or
    // two.
    assertThat(all).hasSize(2 + 2 * (3 + 5));
    assertThat(new HashSet<>(all.values())).hasSameSizeAs(all.values());
    assertThat(all.values()).allMatch(plan -> plan.workers() <= 2);
    assertThat(TwoWorkerPlans.samples(4)).hasSize(13);
    assertThat(new HashSet<>(TwoWorkerPlans.samples(4).values())).hasSize(13);
  }
}
