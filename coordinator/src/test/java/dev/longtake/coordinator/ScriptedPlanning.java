package dev.longtake.coordinator;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.plan.ExecutionPlan;
import dev.longtake.common.plan.Plans;
import dev.longtake.coordinator.jobs.Planning;
import dev.longtake.coordinator.planner.ClusterView;
import dev.longtake.coordinator.planner.PlanChoice;
import dev.longtake.coordinator.planner.Planner;
import dev.longtake.coordinator.planner.WorkerView;
import dev.longtake.coordinator.planner.Workload;
import dev.longtake.v1.Plan;
import dev.longtake.v1.PlanCandidate;
import dev.longtake.v1.PlanPrediction;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/** Plans as the test says; by default all workers share every sequence. */
final class ScriptedPlanning implements Planning {
  /** Workers that a plan takes at most. */
  volatile int mostWorkers = Integer.MAX_VALUE;

  /** With fewer workers nothing fits. */
  volatile int fewestWorkers = 1;

  /** More than one: the workers are stages. */
  volatile int jobsInFlight = 1;

  volatile PlanPrediction prediction = PlanPrediction.getDefaultInstance();

  /** The last argument of every call of {@link #plan}. */
  final List<Integer> waiting = new CopyOnWriteArrayList<>();

  final List<Workload> workloads = new CopyOnWriteArrayList<>();
  final List<ClusterView> clusters = new CopyOnWriteArrayList<>();

  @Override
  public PlanChoice plan(Workload workload, ClusterView cluster, int waitingJobs) {
    waiting.add(waitingJobs);
    int workers = Math.min(mostWorkers, cluster.workers().size());
    Plan.Builder plan = Plan.newBuilder().setSequenceRanks(1);
    if (jobsInFlight > 1 && workers > 1) {
      for (int stage = 0; stage < workers; stage++) {
        plan.addStagesBuilder()
            .setStart(stage * TestModel.BLOCKS / workers)
            .setEnd((stage + 1) * TestModel.BLOCKS / workers);
      }
    } else {
      plan.setSequenceRanks(workers);
    }
    return forced(plan.build(), workload, cluster);
  }

  @Override
  public PlanChoice forced(Plan plan, Workload workload, ClusterView cluster) {
    workloads.add(workload);
    clusters.add(cluster);
    ExecutionPlan checked = Plans.of(plan, workload.profile());
    if (checked.workers() > cluster.workers().size()) {
      throw LongtakeException.invalidField(
          "plan",
          "Expected a plan for %d workers, but it takes %d"
              .formatted(cluster.workers().size(), checked.workers()));
    }
    if (checked.workers() < fewestWorkers) {
      throw new LongtakeException(
          ErrorCode.OUT_OF_MEMORY,
          "Expected %d workers or more, but got %d; a smaller clip would fit"
              .formatted(fewestWorkers, checked.workers()));
    }
    Plan chosen =
        plan.toBuilder()
            .setReason("scripted for %d workers".formatted(checked.workers()))
            .setPrediction(prediction.toBuilder().setJobsInFlight(jobsInFlight))
            .build();
    List<String> ids =
        cluster.workers().subList(0, checked.workers()).stream().map(WorkerView::id).toList();
    PlanCandidate first =
        PlanCandidate.newBuilder().setPlan(chosen).addAllWorkerIds(ids).setChosen(true).build();
    return new PlanChoice(chosen, ids, List.of(first, first, first), 7);
  }

  @Override
  public int mostFrames(Workload workload, ClusterView cluster) {
    return Planner.mostFrames(workload, cluster);
  }
}
