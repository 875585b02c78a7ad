package dev.longtake.coordinator.jobs;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.coordinator.planner.ClusterView;
import dev.longtake.coordinator.planner.PlanChoice;
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

  /** The most latent frames of one clip of this size that fit into these workers at once; 0 when not even one does. */
  int mostFrames(Workload workload, ClusterView cluster);

  /**
   * The planner's.
   *
   * @param mixedDevices whether workers with devices of different kinds may share a job
   */
  static Planning ofPlanner(boolean mixedDevices) {
    Planning all = new PlannerPlanning();
    return mixedDevices ? all : new UniformPlanning(all);
  }
}
