package dev.longtake.coordinator.planner;

import dev.longtake.v1.Plan;
import dev.longtake.v1.PlanCandidate;
import java.util.List;

/**
 * A plan and why it is the one.
 *
 * @param plan with reason and prediction
 * @param workerIds in order of the plan's ranks
 * @param candidates the chosen one first, then by predicted time, then those that don't fit in memory; the best ones where there are
 *     many
 * @param considered how many there were
 */
public record PlanChoice(
    Plan plan, List<String> workerIds, List<PlanCandidate> candidates, int considered) {
  public PlanChoice {
    workerIds = List.copyOf(workerIds);
    candidates = List.copyOf(candidates);
  }
}
