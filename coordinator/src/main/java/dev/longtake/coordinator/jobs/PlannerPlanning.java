package dev.longtake.coordinator.jobs;

import dev.longtake.coordinator.planner.ClusterView;
import dev.longtake.coordinator.planner.PlanChoice;
import dev.longtake.coordinator.planner.Planner;
import dev.longtake.coordinator.planner.Workload;
import dev.longtake.v1.Plan;

/** Plans of the planner for the workers as they are. Stateless. */
final class PlannerPlanning implements Planning {
  @Override
  public PlanChoice plan(Workload workload, ClusterView cluster, int waitingJobs) {
    return Planner.plan(workload, cluster, waitingJobs);
  }

  @Override
  public PlanChoice forced(Plan plan, Workload workload, ClusterView cluster) {
    return Planner.forced(plan, workload, cluster);
  }

  @Override
  public int mostFrames(Workload workload, ClusterView cluster) {
    return Planner.mostFrames(workload, cluster);
  }
}
