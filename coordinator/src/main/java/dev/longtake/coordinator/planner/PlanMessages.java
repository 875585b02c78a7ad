package dev.longtake.coordinator.planner;

import com.google.protobuf.Duration;
import dev.longtake.common.partition.Grain;
import dev.longtake.common.plan.ExecutionPlan;
import dev.longtake.common.plan.Plans;
import dev.longtake.v1.Plan;
import dev.longtake.v1.PlanCandidate;
import dev.longtake.v1.PlanPrediction;
import dev.longtake.v1.WorkerPrediction;
import java.util.Arrays;
import java.util.List;

/** Predicted plans as messages. */
final class PlanMessages {
  private final Workload workload;
  private final Machines machines;
  private final Predictor predictor;

  PlanMessages(Workload workload, Machines machines, Predictor predictor) {
    this.workload = workload;
    this.machines = machines;
    this.predictor = predictor;
  }

  /** The ids in order of the ranks. */
  List<String> workerIds(Outcome outcome) {
    return Arrays.stream(outcome.workers())
        .mapToObj(worker -> machines.worker(worker).id())
        .toList();
  }

  PlanCandidate candidate(Outcome outcome, boolean chosen, String reason) {
    return PlanCandidate.newBuilder()
        .setPlan(plan(outcome))
        .addAllWorkerIds(workerIds(outcome))
        .setChosen(chosen)
        .setReason(reason)
        .build();
  }

  /** With its prediction; what does not fit has no times. */
  Plan.Builder plan(Outcome outcome) {
    ExecutionPlan plan = outcome.plan();
    SplitWalk walk = predictor.walk(plan.mode(), plan.sequenceRanks());
    RankShares shares = predictor.shares(plan.shares());
    Memory memory = predictor.memory(walk, shares);
    Traffic traffic = new Traffic(workload, plan, walk, shares);
    var prediction = PlanPrediction.newBuilder();
    double[] compute = outcome.fits() ? predictor.computeSeconds(outcome) : new double[0];
    if (outcome.fits()) {
      prediction
          .setStep(duration(outcome.timing().seconds()))
          .setExposedExchange(duration(outcome.timing().exposed()))
          .setJobsInFlight(outcome.jobsInFlight());
    }
    WorkerPrediction before = WorkerPrediction.getDefaultInstance();
    for (int rank = 0; rank < plan.workers(); rank++) {
      int place = rank % plan.sequenceRanks();
      // Neighbours in large plans are alike.
      boolean isLike =
          place > 0
              && shares.areAlike(place, place - 1)
              && classOf(outcome, rank) == classOf(outcome, rank - 1)
              && (!outcome.fits() || compute[rank] == compute[rank - 1]);
      if (!isLike) {
        var worker =
            WorkerPrediction.newBuilder()
                .setMemoryBytes(memory.bytes(plan, plan.place(rank), grain(outcome, rank)))
                .setSentBytes(traffic.sent(rank));
        if (outcome.fits()) {
          worker.setCompute(duration(compute[rank]));
        }
        before = worker.build();
      }
      prediction.addWorkers(before);
    }
    return Plans.message(plan).setPrediction(prediction);
  }

  private int classOf(Outcome outcome, int rank) {
    return machines.classOf(outcome.workers()[rank]);
  }

  private Grain grain(Outcome outcome, int rank) {
    return machines.device(outcome.workers()[rank]).grain();
  }

  static Duration duration(double seconds) {
    long nanos = Math.round(seconds * 1e9);
    return Duration.newBuilder()
        .setSeconds(nanos / 1_000_000_000)
        .setNanos((int) (nanos % 1_000_000_000))
        .build();
  }
}
