package dev.longtake.coordinator.jobs;

import dev.longtake.coordinator.fleet.Gang;
import dev.longtake.v1.Plan;
import dev.longtake.v1.Precision;
import dev.longtake.v1.WireFormat;

/**
 * Where a job runs.
 *
 * @param gang reserved for the job
 * @param plan with its reason and prediction
 */
record Placement(
    Gang gang, Plan plan, String modelFingerprint, Precision precision, WireFormat wireFormat) {
  /** Jobs that the workers may have at once with this plan. */
  int jobsInFlight() {
    return Math.max(1, plan.getPrediction().getJobsInFlight());
  }

  /** Whether two plans divide a job alike, whatever was said or predicted of them. */
  static boolean divideAlike(Plan one, Plan other) {
    return shape(one).equals(shape(other));
  }

  /** The plan without what people and predictions add, and with defaults that may also be absent left out. */
  static Plan shape(Plan plan) {
    Plan.Builder shape = plan.toBuilder().clearReason().clearPrediction();
    if (plan.getBranchGroups() == 1) {
      shape.clearBranchGroups();
    }
    if (plan.getMicroBatches() == 1) {
      shape.clearMicroBatches();
    }
    if (plan.getStagesCount() == 1) {
      shape.clearStages();
    }
    if (plan.getSequenceSharesList().stream().distinct().count() == 1) {
      shape.clearSequenceShares();
    }
    if (plan.getWireFormat() == WireFormat.WIRE_FORMAT_STORED) {
      shape.clearWireFormat();
    }
    if (plan.getSequenceRanks() == 1) {
      // Nobody to exchange with.
      shape.clearSequenceMode();
    }
    return shape.build();
  }
}
