package dev.longtake.coordinator.planner;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.plan.ExecutionPlan;
import dev.longtake.common.plan.Plans;
import dev.longtake.v1.ClipGeometry;
import dev.longtake.v1.Plan;
import dev.longtake.v1.PlanCandidate;
import dev.longtake.v1.PlanPrediction;
import java.util.List;

/** Divides a job among workers: all that get a part share every sequence. It predicts nothing but the jobs in flight. */
public final class Planner {
  private Planner() {}

  /**
   * Uses every worker that gets a part: a rank without a latent frame idles in spatial blocks, one without a patch in
   * temporal blocks, and one with neither always.
   *
   * @param cluster at least one worker
   * @param waitingJobs of no influence
   */
  public static PlanChoice plan(Workload workload, ClusterView cluster, int waitingJobs) {
    int workers = cluster.workers().size();
    if (workers < 1) {
      throw new IllegalArgumentException("Expected at least one worker, but got none");
    }
    ClipGeometry clip = workload.clip();
    int frames = clip.getLatentFrames();
    int patches = Clips.patchesPerFrame(clip);
    int ranks = Math.min(workers, Math.max(frames, patches));
    String shape =
        "%d latent frame%s of %d patches".formatted(frames, frames == 1 ? "" : "s", patches);
    String reason;
    if (workers == 1) {
      reason = "one idle worker holds all " + shape;
    } else if (ranks < workers) {
      reason =
          "%d of %d idle workers share %s; more would have nothing to do"
              .formatted(ranks, workers, shape);
    } else {
      reason = "all %d idle workers share %s".formatted(workers, shape);
    }
    return choice(
        Plan.newBuilder().setSequenceRanks(ranks).setReason(reason).build(), cluster, ranks, 1);
  }

  /**
   * A plan that was asked for, on the first workers.
   *
   * @throws LongtakeException INVALID_REQUEST when the plan is impossible, or takes more workers than there are
   */
  public static PlanChoice forced(Plan plan, Workload workload, ClusterView cluster) {
    ExecutionPlan checked = Plans.of(plan, workload.profile());
    int workers = cluster.workers().size();
    if (checked.workers() > workers) {
      throw LongtakeException.invalidField(
          "plan",
          "Expected a plan for at most %d workers, but it takes %d"
              .formatted(workers, checked.workers()));
    }
    return choice(
        plan.toBuilder().setReason("asked for").build(),
        cluster,
        checked.workers(),
        checked.stages().size());
  }

  private static PlanChoice choice(Plan plan, ClusterView cluster, int workers, int jobsInFlight) {
    Plan predicted =
        plan.toBuilder()
            .setPrediction(PlanPrediction.newBuilder().setJobsInFlight(jobsInFlight))
            .build();
    List<String> ids =
        cluster.workers().subList(0, workers).stream().map(WorkerView::id).toList();
    PlanCandidate only =
        PlanCandidate.newBuilder()
            .setPlan(predicted.toBuilder().clearReason())
            .addAllWorkerIds(ids)
            .setChosen(true)
            .setReason(plan.getReason())
            .build();
    return new PlanChoice(predicted, ids, List.of(only), 1);
  }
}
