package dev.longtake.worker.engine.gang;

import dev.longtake.common.partition.Range;
import dev.longtake.common.plan.ExecutionPlan;
import dev.longtake.common.stepcache.StepCacheMode;
import dev.longtake.worker.engine.Exchange;
import dev.longtake.worker.engine.exec.Condition;
import dev.longtake.worker.engine.exec.Geometry;
import dev.longtake.worker.engine.exec.Neighbours;
import dev.longtake.worker.engine.program.Sharding;
import java.util.List;
import java.util.stream.IntStream;

/**
 * A rank's part of a job.
 *
 * @param rank in the gang
 * @param geometry of the clip with all rows of the batch, and this rank's place among the sequence ranks
 * @param condition of all rows
 */
public record RankShare(ExecutionPlan plan, int rank, Geometry geometry, Condition condition) {
  /** What the plan makes a rank compile. */
  public static Sharding sharding(ExecutionPlan plan, int rank, StepCacheMode stepCache) {
    return new Sharding(
        plan.sequenceRanks(), plan.mode(), plan.stages().get(plan.place(rank).stage()), stepCache);
  }

  ExecutionPlan.Place place() {
    return plan.place(rank);
  }

  /** Rows of the batch that this rank's branch group computes. */
  public Range rows() {
    return rowsOf(place().branchGroup());
  }

  Range rowsOf(int branchGroup) {
    return plan.rowsOf(geometry.branches(), branchGroup);
  }

  /** The rows of each lane. */
  List<Range> lanes() {
    return plan.lanes(geometry.branches(), place().branchGroup());
  }

  public boolean isFirstStage() {
    return plan.isFirstStage(place());
  }

  public boolean isLastStage() {
    return plan.isLastStage(place());
  }

  public boolean isFirstBranchGroup() {
    return place().branchGroup() == 0;
  }

  /** Whether this rank tells how far the job is; one rank of the gang does. */
  public boolean tells() {
    return isLastStage() && isFirstBranchGroup() && place().sequenceRank() == 0;
  }

  /** Whom this rank exchanges activations with. */
  Neighbours neighbours(Exchange all) {
    ExecutionPlan.Place place = place();
    List<Integer> sequence =
        IntStream.range(0, plan.sequenceRanks())
            .mapToObj(q -> plan.rank(place.branchGroup(), place.stage(), q))
            .toList();
    return new Neighbours(
        all,
        all.among(sequence),
        isFirstStage() ? Neighbours.NOBODY : atStage(place.stage() - 1),
        isLastStage() ? Neighbours.NOBODY : atStage(place.stage() + 1),
        plan.wireFormat());
  }

  /** The rank that holds the same tokens in another stage. */
  int atStage(int stage) {
    return plan.rank(place().branchGroup(), stage, place().sequenceRank());
  }

  /** The ranks of all branch groups that hold the first block. */
  List<Integer> ofFirstStage() {
    return IntStream.range(0, plan.workers())
        .filter(worker -> plan.isFirstStage(plan.place(worker)))
        .boxed()
        .toList();
  }

  /** The ranks that hold the same frames in all branch groups, in their order. */
  List<Integer> acrossBranches() {
    ExecutionPlan.Place place = place();
    return IntStream.range(0, plan.branchGroups())
        .mapToObj(group -> plan.rank(group, place.stage(), place.sequenceRank()))
        .toList();
  }
}
