package dev.longtake.coordinator.api;

import static dev.longtake.common.error.LongtakeException.invalidField;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.plan.ExecutionPlan;
import dev.longtake.common.plan.Plans;
import dev.longtake.coordinator.jobs.PlanningInputs;
import dev.longtake.v1.ModelProfile;
import dev.longtake.v1.Plan;

/** Plans that requests ask for. */
final class RequestedPlans {
  private RequestedPlans() {}

  /**
   * The plan without reason and prediction, which are the planner's to give.
   *
   * @throws LongtakeException INVALID_REQUEST when the plan contradicts itself, the model or the batch
   */
  static Plan checked(Plan plan, ModelProfile profile) {
    ExecutionPlan execution = Plans.of(plan, profile);
    if (execution.branchGroups() > PlanningInputs.ROWS) {
      throw invalidField(
          "plan.branch_groups",
          "Expected at most %d branch groups, one for each row of the batch, but got %d"
              .formatted(PlanningInputs.ROWS, execution.branchGroups()));
    }
    return plan.toBuilder().clearReason().clearPrediction().build();
  }

  /**
   * @param workers that have joined
   * @throws LongtakeException INVALID_REQUEST when the plan takes more
   */
  static void requireWorkers(Plan plan, ModelProfile profile, int workers) {
    ExecutionPlan execution = Plans.of(plan, profile);
    if (execution.workers() > workers) {
      throw invalidField(
          "plan",
          "Expected a plan for at most %d workers, as many as have joined, but it takes %d (%d branch groups x %d stages x %d sequence ranks); ask for fewer or start more workers"
              .formatted(
                  workers,
                  execution.workers(),
                  execution.branchGroups(),
                  execution.stages().size(),
                  execution.sequenceRanks()));
    }
  }
}
