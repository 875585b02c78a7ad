package dev.longtake.coordinator.planner;

import dev.longtake.common.plan.ExecutionPlan;
import dev.longtake.common.plan.SequenceMode;
import dev.longtake.coordinator.planner.Ranking.Ranked;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** All plans of a workload on a cluster, predicted. For one thread. */
final class Search {
  private final Workload workload;
  private final Machines machines;
  private final Predictor predictor;
  private final Placement placement;
  private final double[] soloSeconds;

  Search(Workload workload, ClusterView cluster) {
    this.workload = workload;
    machines = new Machines(cluster, workload);
    predictor = new Predictor(workload, machines);
    double[] ofClass = new double[machines.classes()];
    soloSeconds = new double[machines.count()];
    for (int worker = 0; worker < soloSeconds.length; worker++) {
      int known = machines.classOf(worker);
      if (ofClass[known] == 0) {
        ofClass[known] = predictor.soloSeconds(worker);
      }
      soloSeconds[worker] = ofClass[known];
    }
    placement = new Placement(machines, soloSeconds);
  }

  Machines machines() {
    return machines;
  }

  Predictor predictor() {
    return predictor;
  }

  /**
   * All plans in order of preference.
   *
   * @param jobs that are to be done, at least 1
   */
  Ranking rank(int jobs) {
    List<Ranked> fitting = new ArrayList<>();
    List<Outcome> others = new ArrayList<>();
    for (Shape shape : shapes()) {
      Outcome outcome = predict(shape);
      if (outcome.fits()) {
        fitting.add(ranked(outcome, jobs));
      } else {
        others.add(outcome);
      }
    }
    return Ranking.of(fitting, others);
  }

  /** A plan that fits, whichever comes first; for asking whether there is one. */
  Optional<Outcome> anyThatFits() {
    return shapes().stream().map(this::predict).filter(Outcome::fits).findFirst();
  }

  /** A plan as it is. */
  Outcome predict(ExecutionPlan plan) {
    int groups = plan.branchGroups() * plan.stages().size();
    return predictor.predict(plan, placement.place(groups, plan.sequenceRanks()));
  }

  private Outcome predict(Shape shape) {
    return predictor.predict(
        shape, placement.place(shape.groups() * shape.stages(), shape.ranks()));
  }

  /** With equal shares, and where speeds differ also with shares in proportion to them. */
  private List<Shape> shapes() {
    List<Shape> equal = new Candidates(workload, machines.count()).all();
    if (machines.classes() == 1) {
      return equal;
    }
    List<Shape> shapes = new ArrayList<>(equal);
    for (Shape shape : equal) {
      List<Integer> shares = shape.ranks() == 1 ? shape.shares() : SpeedShares.of(speeds(shape));
      if (!shares.equals(shape.shares()) && isUseful(shape.mode(), shares)) {
        shapes.add(
            new Shape(
                shape.groups(),
                shape.stages(),
                shape.ranks(),
                shape.mode(),
                shares,
                shape.parts()));
      }
    }
    return shapes;
  }

  /** Of the sequence ranks, relative to the other ranks of their group, summed over all groups. */
  private double[] speeds(Shape shape) {
    int[] workers = placement.place(shape.groups() * shape.stages(), shape.ranks());
    double[] crowding = machines.crowding(workers);
    double[] speeds = new double[shape.ranks()];
    for (int start = 0; start < workers.length; start += speeds.length) {
      double sum = 0;
      for (int rank = 0; rank < speeds.length; rank++) {
        sum += speed(workers[start + rank], crowding);
      }
      for (int rank = 0; rank < speeds.length; rank++) {
        speeds[rank] += speed(workers[start + rank], crowding) / sum;
      }
    }
    return speeds;
  }

  private double speed(int worker, double[] crowding) {
    return 1 / (soloSeconds[worker] * crowding[machines.host(worker)]);
  }

  private boolean isUseful(SequenceMode mode, List<Integer> shares) {
    RankShares of = predictor.shares(shares);
    for (int rank = 0; rank < of.ranks(); rank++) {
      boolean works =
          switch (mode) {
            case SWITCH -> of.frames(rank) > 0 || of.patches(rank) > 0;
            case HEADS, GATHER -> of.frames(rank) > 0;
            case PATCH_HEADS, PATCH_GATHER -> of.patches(rank) > 0;
          };
      if (!works) {
        return false;
      }
    }
    return true;
  }

  /** How soon some jobs are done with this plan, on as many gangs as there are workers and jobs for. */
  private Ranked ranked(Outcome outcome, int jobs) {
    int workers = outcome.shape().workers();
    int gangs = Math.min(jobs, machines.count() / workers);
    Outcome slowest = outcome;
    while (gangs > 1 && machines.classes() > 1) {
      // The other gangs have other workers; the last one's are the slowest.
      Outcome last = predictor.predict(outcome.shape(), placement.placeLast(gangs, workers));
      if (last.fits()) {
        slowest = last.seconds() > outcome.seconds() ? last : outcome;
        break;
      }
      gangs /= 2;
    }
    return new Ranked(outcome, gangs, slowest.secondsOf(Math.ceilDiv(jobs, gangs)));
  }
}
