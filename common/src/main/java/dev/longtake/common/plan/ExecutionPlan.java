package dev.longtake.common.plan;

import dev.longtake.common.partition.Partition;
import dev.longtake.common.partition.Range;
import java.util.Collections;
import java.util.List;

/**
 * How a model is divided among the workers of one job: the product of three axes. Workers are numbered branch group by branch
 * group, within it stage by stage, within it sequence rank by sequence rank.
 *
 * @param branchGroups groups of workers that each compute some rows of the batch
 * @param stages the blocks that each stage holds, in order, without gap or overlap
 * @param sequenceRanks workers that share every sequence
 * @param shares relative shares of the sequence ranks, one each
 * @param microBatches parts that a worker's rows are computed in, so that one computes while another exchanges
 * @param wireFormat how activations travel from one worker to another
 */
public record ExecutionPlan(
    int branchGroups,
    List<Range> stages,
    int sequenceRanks,
    SequenceMode mode,
    List<Integer> shares,
    int microBatches,
    WireFormat wireFormat) {
  public ExecutionPlan {
    stages = List.copyOf(stages);
    shares = List.copyOf(shares);
    if (branchGroups < 1
        || stages.isEmpty()
        || sequenceRanks < 1
        || shares.size() != sequenceRanks
        || microBatches < 1) {
      throw new IllegalArgumentException(
          "Expected at least one of everything and a share for each of %d sequence ranks, but got %d groups, stages %s, shares %s and %d micro-batches"
              .formatted(sequenceRanks, branchGroups, stages, shares, microBatches));
    }
  }

  /** A plan in which nothing is lost on the way. */
  public ExecutionPlan(
      int branchGroups,
      List<Range> stages,
      int sequenceRanks,
      SequenceMode mode,
      List<Integer> shares,
      int microBatches) {
    this(branchGroups, stages, sequenceRanks, mode, shares, microBatches, WireFormat.STORED);
  }

  /** The same plan with another format of what travels. */
  public ExecutionPlan withWireFormat(WireFormat format) {
    return new ExecutionPlan(
        branchGroups, stages, sequenceRanks, mode, shares, microBatches, format);
  }

  /** One worker for everything. */
  public static ExecutionPlan solo(int blocks) {
    return sequence(blocks, 1, SequenceMode.GATHER);
  }

  /** Equal sequence ranks with all blocks and all rows each, in one part. */
  public static ExecutionPlan sequence(int blocks, int ranks, SequenceMode mode) {
    return new ExecutionPlan(
        1, List.of(new Range(0, blocks)), ranks, mode, Collections.nCopies(ranks, 1), 1);
  }

  /** A worker's place in the plan. */
  public record Place(int branchGroup, int stage, int sequenceRank) {}

  /** Workers that it takes. */
  public int workers() {
    return branchGroups * stages.size() * sequenceRanks;
  }

  /** The place of a worker, 0 to workers - 1. */
  public Place place(int rank) {
    return new Place(
        rank / (stages.size() * sequenceRanks),
        rank / sequenceRanks % stages.size(),
        rank % sequenceRanks);
  }

  /** The worker at a place. */
  public int rank(int branchGroup, int stage, int sequenceRank) {
    return (branchGroup * stages.size() + stage) * sequenceRanks + sequenceRank;
  }

  public boolean isFirstStage(Place place) {
    return place.stage == 0;
  }

  public boolean isLastStage(Place place) {
    return place.stage == stages.size() - 1;
  }

  /** The rows of a batch that a branch group computes; with more groups than rows some have none. */
  public Range rowsOf(int rows, int branchGroup) {
    return new Partition(rows, branchGroups).of(branchGroup);
  }

  /** The parts of a branch group's rows that are computed one after the other; none is empty unless all are. */
  public List<Range> lanes(int rows, int branchGroup) {
    Range mine = rowsOf(rows, branchGroup);
    Partition parts = new Partition(mine.size(), Math.clamp(mine.size(), 1, microBatches));
    return java.util.stream.IntStream.range(0, parts.ranks())
        .mapToObj(parts::of)
        .map(part -> new Range(mine.start() + part.start(), mine.start() + part.end()))
        .toList();
  }
}
