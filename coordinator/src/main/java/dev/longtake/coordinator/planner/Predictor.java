package dev.longtake.coordinator.planner;

import dev.longtake.common.partition.Range;
import dev.longtake.common.plan.ExecutionPlan;
import dev.longtake.common.plan.ExecutionPlan.Place;
import dev.longtake.common.plan.SequenceMode;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Predicts plans of one workload on one cluster. Its time is linear in the plan's workers where links are tiered; equal neighbours and
 * equal groups are counted once. For one thread.
 */
final class Predictor {
  private final Workload workload;
  private final Machines machines;
  private final TokenGrid grid;
  private final Map<WalkKey, SplitWalk> walks = new HashMap<>();
  private final Map<List<Integer>, RankShares> shares = new HashMap<>();

  private final Map<MemoryKey, Memory> memories = new HashMap<>();

  /** Both are the predictor's own, so that they are the same when they are equal. */
  private record MemoryKey(SplitWalk walk, RankShares shares) {}

  private record WalkKey(SequenceMode mode, boolean divided) {}

  Predictor(Workload workload, Machines machines) {
    this.workload = workload;
    this.machines = machines;
    grid = TokenGrid.of(workload);
  }

  SplitWalk walk(SequenceMode mode, int ranks) {
    // One rank needs no mode.
    var key = new WalkKey(ranks == 1 ? SequenceMode.GATHER : mode, ranks > 1);
    return walks.computeIfAbsent(key, k -> new SplitWalk(workload.profile(), k.mode, ranks));
  }

  RankShares shares(List<Integer> of) {
    return shares.computeIfAbsent(
        of,
        list ->
            new RankShares(
                grid, workload.profile().getHeads(), workload.profile().getChannels(), list));
  }

  Memory memory(SplitWalk walk, RankShares of) {
    return memories.computeIfAbsent(
        new MemoryKey(walk, of), key -> new Memory(workload, key.walk, key.shares));
  }

  /** Seconds that a worker alone takes for all blocks of a step, for comparing speeds. */
  double soloSeconds(int worker) {
    SplitWalk walk = walk(SequenceMode.GATHER, 1);
    BlockCosts costs = new BlockCosts(workload, walk, shares(List.of(1)));
    double seconds = 0;
    for (int form = 0; form < walk.forms().size(); form++) {
      seconds +=
          walk.count(form, new Range(0, walk.blocks()))
              * costs.compute(form, machines.device(worker), 0, workload.rows(), 1);
    }
    return seconds;
  }

  /** Predicts a shape, its ranges of blocks being chosen here. */
  Outcome predict(Shape shape, int[] workers) {
    return new Prediction(this, workload, machines, shape, workers).outcome();
  }

  /** Predicts a plan as it is. */
  Outcome predict(ExecutionPlan plan, int[] workers) {
    Shape shape =
        new Shape(
            plan.branchGroups(),
            plan.stages().size(),
            plan.sequenceRanks(),
            plan.mode(),
            plan.shares(),
            plan.microBatches());
    return new Prediction(this, workload, machines, shape, workers).outcome(plan.stages());
  }

  /** Compute seconds of each worker in a step, for the plan's message. */
  double[] computeSeconds(Outcome outcome) {
    ExecutionPlan plan = outcome.plan();
    SplitWalk walk = walk(plan.mode(), plan.sequenceRanks());
    BlockCosts costs = new BlockCosts(workload, walk, shares(plan.shares()));
    double[] crowding = machines.crowding(outcome.workers());
    double[] seconds = new double[plan.workers()];
    for (int rank = 0; rank < seconds.length; rank++) {
      Place place = plan.place(rank);
      int worker = outcome.workers()[rank];
      int rows = plan.rowsOf(workload.rows(), place.branchGroup()).size();
      int lanes = Math.clamp(rows, 1, plan.microBatches());
      Range blocks = plan.stages().get(place.stage());
      var device = machines.device(worker);
      double sum =
          costs.edge(
              device,
              place.sequenceRank(),
              rows,
              lanes,
              plan.isFirstStage(place),
              plan.isLastStage(place));
      for (int form = 0; form < walk.forms().size(); form++) {
        sum +=
            walk.count(form, blocks)
                * costs.compute(form, device, place.sequenceRank(), rows, lanes);
      }
      seconds[rank] = sum * crowding[machines.host(worker)];
    }
    return seconds;
  }
}
