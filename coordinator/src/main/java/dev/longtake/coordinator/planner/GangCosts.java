package dev.longtake.coordinator.planner;

import dev.longtake.common.partition.Range;
import java.util.Arrays;

/**
 * What one sequence group of one stage takes. An exchange makes all its ranks wait for the slowest, so that a block takes as long as the
 * slowest rank of it: the largest computing time and the largest exchange of any rank, form by form.
 */
final class GangCosts {
  private final double[] compute;
  private final double[] exchange;
  private final SplitWalk walk;
  private double edgeCompute;
  private double edgeExchange;

  /** For each rank, how many of the group share the way out of its host. */
  private final int[] sharing;

  private GangCosts(SplitWalk walk, int ranks) {
    this.walk = walk;
    sharing = new int[ranks];
    Arrays.fill(sharing, 1);
    compute = new double[walk.forms().size()];
    exchange = new double[walk.forms().size()];
  }

  /**
   * Of a group.
   *
   * @param gang the workers in order of the sequence ranks
   * @param crowding factors of the hosts, of {@link Machines#crowding}
   * @param first whether it embeds patches
   * @param last whether it has the final layer
   */
  static GangCosts of(
      Machines machines,
      SplitWalk walk,
      RankShares shares,
      BlockCosts costs,
      int[] gang,
      double[] crowding,
      long rows,
      int lanes,
      boolean first,
      boolean last) {
    GangCosts group = new GangCosts(walk, gang.length);
    Peers peers = gang.length > 1 ? new Peers(machines, shares, gang, crowding) : null;
    for (int rank = 0; rank < gang.length; rank++) {
      if (peers != null) {
        group.sharing[rank] = peers.ranksOnHostOf(rank);
      }
      if (rank > 0 && isLikeTheOneBefore(machines, shares, gang, rank)) {
        continue;
      }
      var device = machines.device(gang[rank]);
      double factor = crowding[machines.host(gang[rank])];
      group.edgeCompute =
          Math.max(group.edgeCompute, factor * costs.edge(device, rank, rows, lanes, first, last));
      Peers.Sums sums = peers == null ? null : peers.of(rank);
      for (int form = 0; form < group.compute.length; form++) {
        group.compute[form] =
            Math.max(group.compute[form], factor * costs.compute(form, device, rank, rows, lanes));
        if (sums != null) {
          group.exchange[form] =
              Math.max(group.exchange[form], costs.exchange(form, device, sums, rank, rows, lanes));
        }
      }
      if (sums != null) {
        group.edgeExchange =
            Math.max(
                group.edgeExchange,
                costs.edgeExchange(device, sums, rank, rows, lanes, first, last));
      }
    }
    return group;
  }

  /** Where links are tiered such ranks cost the same. */
  private static boolean isLikeTheOneBefore(
      Machines machines, RankShares shares, int[] gang, int rank) {
    return machines.links().isTiered()
        && machines.host(gang[rank]) == machines.host(gang[rank - 1])
        && machines.classOf(gang[rank]) == machines.classOf(gang[rank - 1])
        && shares.areAlike(rank, rank - 1);
  }

  /** Seconds of computing in a stage with these blocks, edges included. */
  double compute(Range blocks) {
    double sum = edgeCompute;
    for (int form = 0; form < compute.length; form++) {
      sum += walk.count(form, blocks) * compute[form];
    }
    return sum;
  }

  /** Seconds of exchanges in a stage with these blocks, none of them hidden. */
  double exchange(Range blocks) {
    double sum = edgeExchange;
    for (int form = 0; form < exchange.length; form++) {
      sum += walk.count(form, blocks) * exchange[form];
    }
    return sum;
  }

  /** How many ranks of the group send out of the host of one. */
  int sharing(int rank) {
    return sharing[rank];
  }

  /** One block of a form, both. */
  double block(int form) {
    return compute[form] + exchange[form];
  }

  /** What comes on top of the blocks, both. */
  double edges() {
    return edgeCompute + edgeExchange;
  }
}
