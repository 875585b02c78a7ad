package dev.longtake.coordinator.planner;

import dev.longtake.v1.Plan;
import dev.longtake.v1.PlanCandidate;
import java.util.List;

/**
 * A plan and what it was chosen from.
 *
 * @param plan with its reason and prediction
 * @param workerIds in order of their ranks
 * @param candidates the chosen one first, then by predicted time, those that don't fit last
 * @param considered how many there were
 */
public record PlanChoice(
    Plan plan, List<String> workerIds, List<PlanCandidate> candidates, int considered) {
  public PlanChoice {
    workerIds = List.copyOf(workerIds);
    candidates = List.copyOf(candidates);
  }
}
