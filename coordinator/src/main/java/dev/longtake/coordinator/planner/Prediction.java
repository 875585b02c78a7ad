package dev.longtake.coordinator.planner;

import dev.longtake.common.partition.Partition;
import dev.longtake.common.partition.Range;
import dev.longtake.common.plan.ExecutionPlan;
import dev.longtake.common.plan.ExecutionPlan.Place;
import dev.longtake.coordinator.planner.Outcome.Shortage;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.ToLongFunction;
import java.util.stream.IntStream;

/** The prediction of one shape on certain workers. */
final class Prediction {
  private final Workload workload;
  private final Machines machines;
  private final Shape shape;
  private final int[] workers;
  private final SplitWalk walk;
  private final RankShares of;
  private final Memory memory;
  private final double[] crowding;
  private final GangCosts[][] costs;
  private final int[] rows;
  private final int[][] lanes;

  /**
   * Prepares one.
   *
   * @param workers in order of the plan's ranks
   */
  Prediction(
      Predictor predictor, Workload workload, Machines machines, Shape shape, int[] workers) {
    this.workload = workload;
    this.machines = machines;
    this.shape = shape;
    this.workers = workers;
    walk = predictor.walk(shape.mode(), shape.ranks());
    of = predictor.shares(shape.shares());
    memory = predictor.memory(walk, of);
    crowding = machines.crowding(workers);
    rows = new int[shape.groups()];
    lanes = new int[shape.groups()][];
    costs = new GangCosts[shape.groups()][shape.stages()];
    Partition groups = new Partition(workload.rows(), shape.groups());
    for (int group = 0; group < shape.groups(); group++) {
      rows[group] = groups.of(group).size();
      Partition parts = new Partition(rows[group], Math.clamp(rows[group], 1, shape.parts()));
      lanes[group] = IntStream.range(0, parts.ranks()).map(lane -> parts.of(lane).size()).toArray();
    }
    fillCosts();
  }

  private int worker(int group, int stage, int rank) {
    return workers[(group * shape.stages() + stage) * shape.ranks() + rank];
  }

  private int[] gang(int group, int stage) {
    int start = (group * shape.stages() + stage) * shape.ranks();
    return Arrays.copyOfRange(workers, start, start + shape.ranks());
  }

  /** Equal gangs with equal work are counted once where links are tiered. */
  private void fillCosts() {
    BlockCosts blocks = new BlockCosts(workload, walk, of);
    Map<List<Integer>, GangCosts> known = new HashMap<>();
    for (int group = 0; group < shape.groups(); group++) {
      for (int stage = 0; stage < shape.stages(); stage++) {
        int[] gang = gang(group, stage);
        boolean first = stage == 0;
        boolean last = stage == shape.stages() - 1;
        int g = group;
        List<Integer> key = key(gang, (first ? 1 : 0) + (last ? 2 : 0), rows[group]);
        GangCosts cost = machines.links().isTiered() ? known.get(key) : null;
        if (cost == null) {
          cost =
              GangCosts.of(
                  machines,
                  walk,
                  of,
                  blocks,
                  gang,
                  crowding,
                  rows[g],
                  lanes[g].length,
                  first,
                  last);
          known.put(key, cost);
        }
        costs[group][stage] = cost;
      }
    }
  }

  /** Classes, and where hosts begin; what else matters is the same in one plan. */
  private List<Integer> key(int[] gang, int edges, int rowsOfGroup) {
    List<Integer> key = new ArrayList<>(List.of(edges, rowsOfGroup));
    int start = 0;
    for (int i = 1; i <= gang.length; i++) {
      if (i == gang.length
          || machines.host(gang[i]) != machines.host(gang[start])
          || machines.classOf(gang[i]) != machines.classOf(gang[start])) {
        key.add(machines.classOf(gang[start]));
        key.add(i - start);
        key.add((int) (1000 * crowding[machines.host(gang[start])]));
        start = i;
      }
    }
    return key;
  }

  /** With ranges of blocks chosen here. */
  Outcome outcome() {
    if (shape.stages() == 1) {
      return outcome(List.of(new Range(0, walk.blocks())));
    }
    // Where none fits, even ranges say what is lacking.
    return outcome(
        Stages.divide(walk.blocks(), shape.stages(), stageCosts())
            .orElseGet(() -> Stages.evenly(walk.blocks(), shape.stages())));
  }

  /** With these ranges of blocks. */
  Outcome outcome(List<Range> ranges) {
    ExecutionPlan plan =
        new ExecutionPlan(
            shape.groups(),
            ranges,
            shape.ranks(),
            shape.mode(),
            shape.shares(),
            shape.parts(),
            workload.wireFormat());
    Optional<Shortage> shortage = shortage(plan);
    if (shortage.isPresent()) {
      var none = new StepTime.Timing(0, 0, 0, 0, 0);
      return new Outcome(shape, plan, workers, none, 1, shortage);
    }
    StepTime.Timing timing = timing(plan);
    return new Outcome(shape, plan, workers, timing, jobs(plan, timing), shortage);
  }

  private Stages.Costs stageCosts() {
    int stages = shape.stages();
    int forms = walk.forms().size();
    double[][] block = new double[stages][forms];
    double[] fixed = new double[stages];
    long[] room = new long[stages];
    for (int stage = 0; stage < stages; stage++) {
      for (GangCosts[] group : costs) {
        for (int form = 0; form < forms; form++) {
          block[stage][form] = Math.max(block[stage][form], group[stage].block(form));
        }
        fixed[stage] = Math.max(fixed[stage], group[stage].edges());
      }
      room[stage] = room(stage);
    }
    return new Stages.Costs() {
      @Override
      public double block(int stage, int index) {
        return block[stage][walk.formOf(index)];
      }

      @Override
      public double fixed(int stage) {
        return fixed[stage];
      }

      @Override
      public boolean fits(int stage, Range blocks) {
        return memory.ofBlocks(blocks, rows[0]) <= room[stage];
      }
    };
  }

  /** What the tightest worker of a stage has left for blocks. */
  private long room(int stage) {
    long room = Long.MAX_VALUE;
    var ends = new Memory.Ends(stage == 0, stage == shape.stages() - 1);
    for (int group = 0; group < shape.groups(); group++) {
      for (int rank = 0; rank < shape.ranks(); rank++) {
        var device = machines.device(worker(group, stage, rank));
        if (device.memoryBytes() < Long.MAX_VALUE) {
          long beside = memory.besideBlocks(lanes[group], rank, ends, device.grain());
          room = Math.min(room, device.memoryBytes() - beside);
        }
      }
    }
    return room;
  }

  /** Whether a place needs and has as much as the sequence rank before, or as the branch group before. */
  private boolean isLikeOneBefore(int group, int stage, int rank) {
    int own = machines.classOf(worker(group, stage, rank));
    return (rank > 0
            && own == machines.classOf(worker(group, stage, rank - 1))
            && of.areAlike(rank, rank - 1))
        || (group > 0
            && rows[group] == rows[group - 1]
            && own == machines.classOf(worker(group - 1, stage, rank)));
  }

  private Optional<Shortage> shortage(ExecutionPlan plan) {
    Shortage worst = null;
    for (int place = 0; place < workers.length; place++) {
      int rank = place % shape.ranks();
      int stage = place / shape.ranks() % shape.stages();
      int group = place / (shape.ranks() * shape.stages());
      long available = machines.device(workers[place]).memoryBytes();
      if (available == Long.MAX_VALUE || isLikeOneBefore(group, stage, rank)) {
        continue;
      }
      long lacking = bytes(plan, group, stage, rank) - available;
      if (lacking > 0 && (worst == null || lacking > worst.lackingBytes())) {
        worst = new Shortage(place, available + lacking, available);
      }
    }
    return Optional.ofNullable(worst);
  }

  private long bytes(ExecutionPlan plan, int group, int stage, int rank) {
    return memory.bytes(
        plan.stages().get(stage),
        lanes[group],
        rank,
        machines.device(worker(group, stage, rank)).grain());
  }

  private StepTime.Timing timing(ExecutionPlan plan) {
    Traffic traffic = new Traffic(workload, plan, walk, of);
    StepTime.Timing slowest = null;
    for (int group = 0; group < shape.groups(); group++) {
      StepTime.Timing timing = timing(plan, traffic, group);
      if (slowest == null || timing.seconds() > slowest.seconds()) {
        slowest = timing;
      }
    }
    if (slowest == null) {
      throw new IllegalStateException("Expected at least one branch group");
    }
    double predictions = shape.groups() > 1 ? predictionSeconds(traffic) : 0;
    return new StepTime.Timing(
        slowest.seconds() + predictions,
        slowest.compute(),
        slowest.exposed() + predictions,
        slowest.idle(),
        slowest.period() + (shape.stages() > 1 ? 0 : predictions));
  }

  private StepTime.Timing timing(ExecutionPlan plan, Traffic traffic, int group) {
    int stages = shape.stages();
    StepTime.Stage[] work = new StepTime.Stage[stages];
    double[] boundaries = new double[stages - 1];
    for (int stage = 0; stage < stages; stage++) {
      Range blocks = plan.stages().get(stage);
      int exchanges =
          walk.toPatch(blocks)
              + walk.toFrame(blocks)
              + walk.conflicts(blocks) * (walk.mode().exchangesHeads() ? 2 : 1);
      GangCosts gang = costs[group][stage];
      work[stage] = new StepTime.Stage(gang.compute(blocks), gang.exchange(blocks), exchanges);
      if (stage < stages - 1) {
        boundaries[stage] = transfer(group, stage, group, stage + 1, traffic::boundary);
      }
    }
    double back = stages > 1 ? transfer(group, stages - 1, group, 0, traffic::latents) : 0;
    return StepTime.of(work, boundaries, back, rows[group], lanes[group].length);
  }

  /** Between two sequence groups, every rank to its counterpart at the same time. */
  private double transfer(
      int group, int stage, int toGroup, int toStage, ToLongFunction<Place> bytesOf) {
    double longest = 0;
    for (int rank = 0; rank < shape.ranks(); rank++) {
      int from = worker(group, stage, rank);
      int to = worker(toGroup, toStage, rank);
      if (rank > 0 && isLikeTransferBefore(group, stage, toGroup, toStage, rank)) {
        continue;
      }
      int host = machines.host(from);
      double sharing =
          host == machines.host(to) ? crowding[host] : costs[group][stage].sharing(rank);
      double bytes = bytesOf.applyAsLong(new Place(group, stage, rank));
      longest =
          Math.max(
              longest,
              2 * bytes * machines.device(from).times().getStagingSecondsPerByte()
                  + machines.links().latencySeconds(from, to)
                  + bytes * sharing / machines.links().bytesPerSecond(from, to));
    }
    return longest;
  }

  /** Whether links are tiered and the rank before sends as much between the same hosts. */
  private boolean isLikeTransferBefore(int group, int stage, int toGroup, int toStage, int rank) {
    int from = worker(group, stage, rank);
    int before = worker(group, stage, rank - 1);
    return machines.links().isTiered()
        && machines.host(from) == machines.host(before)
        && machines.classOf(from) == machines.classOf(before)
        && machines.host(worker(toGroup, toStage, rank))
            == machines.host(worker(toGroup, toStage, rank - 1))
        && of.areAlike(rank, rank - 1);
  }

  /** Every group sends to all others, one after the other. */
  private double predictionSeconds(Traffic traffic) {
    int last = shape.stages() - 1;
    double longest = 0;
    for (int group = 0; group < shape.groups(); group++) {
      double sum = 0;
      for (int other = 0; other < shape.groups(); other++) {
        if (other != group) {
          sum += transfer(group, last, other, last, traffic::predictions);
        }
      }
      longest = Math.max(longest, sum);
    }
    return longest;
  }

  /** As many as keep the slowest stage busy, and as fit into the memory of every worker. */
  private int jobs(ExecutionPlan plan, StepTime.Timing timing) {
    if (shape.stages() == 1 || timing.period() <= 0) {
      return 1;
    }
    long jobs =
        Math.clamp((long) Math.ceil(timing.seconds() / timing.period() - 1e-9), 1, shape.stages());
    for (int place = 0; place < workers.length && jobs > 1; place++) {
      int rank = place % shape.ranks();
      int stage = place / shape.ranks() % shape.stages();
      int group = place / (shape.ranks() * shape.stages());
      long available = machines.device(workers[place]).memoryBytes();
      if (available < Long.MAX_VALUE && !isLikeOneBefore(group, stage, rank)) {
        long weights = memory.weights(plan.stages().get(stage));
        long each = Math.max(1, bytes(plan, group, stage, rank) - weights);
        jobs = Math.min(jobs, Math.max(1, (available - weights) / each));
      }
    }
    return (int) jobs;
  }
}
