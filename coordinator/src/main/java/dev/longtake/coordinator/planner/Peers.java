package dev.longtake.coordinator.planner;

import java.util.ArrayList;
import java.util.List;

/**
 * What it costs a rank to send to all other ranks of its sequence group. The bytes for a peer are proportional to the peer's frames,
 * patches, head columns or text tokens, so that an exchange's time needs only the sums of these over all peers, each divided by the rate
 * of the peer's link. A rank sends to one peer after the other: its sends share the way out of its process. Ranks of one host
 * share its link to other hosts, and its processors where both ends of a link are theirs.
 *
 * <p>Where links are tiered, the sums of a host's ranks are made once, so that all ranks' sums together take time linear in ranks.
 */
final class Peers {
  private final Machines machines;
  private final RankShares shares;
  private final int[] gang;
  private final double[] crowding;

  /** Which of the group's hosts each rank is on. */
  private final int[] hostOf;

  /** Totals of each of the group's hosts: frames, patches, columns, text, ranks. */
  private final List<double[]> ofHost = new ArrayList<>();

  private final double[] ofAll = new double[MEASURES];

  private static final int MEASURES = 5;

  /**
   * Seconds per row, value column and byte for one unit of each measure.
   *
   * @param frames sum over peers of their frames, each divided by bytes per second
   * @param ranks the same of ones
   * @param latencySeconds the largest of any peer
   */
  record Sums(
      double frames,
      double patches,
      double columns,
      double text,
      double ranks,
      double latencySeconds) {
    /** As {@link RankShares#tokens}, of all peers. */
    double tokens(TokenGrid grid, SplitWalk.Split split) {
      return switch (split) {
            case FRAME -> frames * grid.patches();
            case PATCH -> patches * grid.frames();
          }
          + text;
    }
  }

  Peers(Machines machines, RankShares shares, int[] gang, double[] crowding) {
    this.machines = machines;
    this.shares = shares;
    this.gang = gang;
    this.crowding = crowding;
    hostOf = new int[gang.length];
    List<Integer> hosts = new ArrayList<>();
    for (int rank = 0; rank < gang.length; rank++) {
      int host = machines.host(gang[rank]);
      // Workers of a host usually stand together.
      boolean isLast = !hosts.isEmpty() && hosts.getLast() == host;
      int index = isLast ? hosts.size() - 1 : hosts.indexOf(host);
      if (index < 0) {
        index = hosts.size();
        hosts.add(host);
        ofHost.add(new double[MEASURES]);
      }
      hostOf[rank] = index;
      add(ofHost.get(index), rank, 1);
      add(ofAll, rank, 1);
    }
  }

  /** Ranks that share the way out of this one's host. */
  int ranksOnHostOf(int rank) {
    return (int) ofHost.get(hostOf[rank])[4];
  }

  private void add(double[] sums, int rank, double weight) {
    sums[0] += weight * shares.frames(rank);
    sums[1] += weight * shares.patches(rank);
    sums[2] += weight * shares.headColumns(rank);
    sums[3] += weight * shares.text(rank);
    sums[4] += weight;
  }

  /** How many ranks send through the same way out, if the two are on different hosts or on one. */
  private double sharing(int rank, int to) {
    int host = machines.host(gang[rank]);
    return host == machines.host(to) ? crowding[host] : ranksOnHostOf(rank);
  }

  /** Of one rank. */
  Sums of(int rank) {
    return machines.links().isTiered() ? tiered(rank) : eachPair(rank);
  }

  private Sums eachPair(int rank) {
    double[] sums = new double[MEASURES];
    double latency = 0;
    for (int peer = 0; peer < gang.length; peer++) {
      if (peer != rank) {
        add(sums, peer, sharing(rank, gang[peer]) / rate(rank, peer));
        latency = Math.max(latency, machines.links().latencySeconds(gang[rank], gang[peer]));
      }
    }
    return new Sums(sums[0], sums[1], sums[2], sums[3], sums[4], latency);
  }

  private double rate(int rank, int peer) {
    return machines.links().bytesPerSecond(gang[rank], gang[peer]);
  }

  private Sums tiered(int rank) {
    int host = machines.host(gang[rank]);
    double[] own = ofHost.get(hostOf[rank]);
    double[] near = own.clone();
    add(near, rank, -1);
    double[] sums = new double[MEASURES];
    double latency = 0;
    int neighbour = near[4] > 0 ? nearest(rank, host) : -1;
    if (neighbour >= 0) {
      accumulate(sums, near, crowding[host] / rate(rank, neighbour));
      latency = machines.links().latencySeconds(gang[rank], gang[neighbour]);
    }
    int stranger = ofAll[4] > own[4] ? farthest(host) : -1;
    if (stranger >= 0) {
      double[] far = ofAll.clone();
      accumulate(far, own, -1);
      accumulate(sums, far, own[4] / rate(rank, stranger));
      latency = Math.max(latency, machines.links().latencySeconds(gang[rank], gang[stranger]));
    }
    return new Sums(sums[0], sums[1], sums[2], sums[3], sums[4], latency);
  }

  private static void accumulate(double[] sums, double[] others, double weight) {
    for (int i = 0; i < MEASURES; i++) {
      sums[i] += weight * others[i];
    }
  }

  /** Another rank of the host; workers of a host stand together, so that it is next to the rank. */
  private int nearest(int rank, int host) {
    for (int step = 1; step < gang.length; step++) {
      if (rank + step < gang.length && machines.host(gang[rank + step]) == host) {
        return rank + step;
      }
      if (rank >= step && machines.host(gang[rank - step]) == host) {
        return rank - step;
      }
    }
    return -1;
  }

  /** A rank of another host: usually the first or the last one. */
  private int farthest(int host) {
    for (int rank = gang.length - 1; rank >= 0; rank--) {
      if (machines.host(gang[rank]) != host) {
        return rank;
      }
    }
    return -1;
  }
}
