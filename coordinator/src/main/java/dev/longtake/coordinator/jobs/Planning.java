package dev.longtake.coordinator.jobs;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.coordinator.planner.ClusterView;
import dev.longtake.coordinator.planner.PlanChoice;
import dev.longtake.coordinator.planner.Planner;
import dev.longtake.coordinator.planner.Workload;
import dev.longtake.v1.Plan;

/** How plans are made. Implementations are thread-safe. */
public interface Planning {
  /**
   * The best plan.
   *
   * @param cluster at least one worker
   * @param waitingJobs that come after this one and could use other workers, or the same ones at the same time
   * @throws LongtakeException OUT_OF_MEMORY or INVALID_REQUEST when these workers can't do it
   */
  PlanChoice plan(Workload workload, ClusterView cluster, int waitingJobs);

  /**
   * A plan that was asked for.
   *
   * @throws LongtakeException OUT_OF_MEMORY or INVALID_REQUEST when these workers can't do it
   */
  PlanChoice forced(Plan plan, Workload workload, ClusterView cluster);

  /** The planner's. */
  static Planning ofPlanner() {
    return new Planning() {
      @Override
      public PlanChoice plan(Workload workload, ClusterView cluster, int waitingJobs) {
        return Planner.plan(workload, cluster, waitingJobs);
      }

      @Override
      public PlanChoice forced(Plan plan, Workload workload, ClusterView cluster) {
        return Planner.forced(plan, workload, cluster);
      }
    };
  }
}
