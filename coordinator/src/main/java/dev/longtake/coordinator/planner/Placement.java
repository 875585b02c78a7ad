package dev.longtake.coordinator.planner;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/**
 * Which worker takes which place. Ranks of a sequence group exchange the most, stages less, branch groups the least; a plan numbers
 * its workers so that sequence groups are runs of neighbours and branch groups the farthest apart. So workers are put in an order in
 * which neighbours have fast links: in islands, by host where links are tiered, else by what was measured, joining the two islands with
 * the fastest link between them until only links remain that are less than half as fast as the fastest. Within an
 * island the faster workers come first, and the island with the fastest worker.
 */
final class Placement {
  /** Links slower than this part of the fastest one separate islands. */
  private static final double ISLAND_RATE = 0.5;

  /** Rates that differ by less are the same, so that noise does not decide. */
  private static final double RATE_STEP = 1.25;

  private final Machines machines;
  private final List<int[]> islands;
  private final int[] order;

  /**
   * An order of all workers.
   *
   * @param secondsOf how long each worker takes for the same work
   */
  Placement(Machines machines, double[] secondsOf) {
    this.machines = machines;
    List<List<Integer>> found = machines.links().isTiered() ? byHost() : byLinks();
    Comparator<Integer> fastestFirst =
        Comparator.comparingInt((Integer worker) -> step(secondsOf[worker]))
            .thenComparing(
                Comparator.comparingLong((Integer worker) -> machines.device(worker).memoryBytes())
                    .reversed());
    // Sorts are stable: equal workers keep the order of their links.
    found.forEach(island -> island.sort(fastestFirst));
    found.sort(
        Comparator.comparingInt((List<Integer> island) -> step(secondsOf[island.getFirst()])));
    islands =
        found.stream()
            .map(island -> island.stream().mapToInt(Integer::intValue).toArray())
            .toList();
    order = islands.stream().flatMapToInt(Arrays::stream).toArray();
  }

  private static int step(double value) {
    return value <= 0 ? Integer.MIN_VALUE : (int) Math.round(Math.log(value) / Math.log(1.05));
  }

  private List<List<Integer>> byHost() {
    List<List<Integer>> hosts = new ArrayList<>();
    for (int host = 0; host < machines.hosts(); host++) {
      hosts.add(new ArrayList<>());
    }
    for (int worker = 0; worker < machines.count(); worker++) {
      hosts.get(machines.host(worker)).add(worker);
    }
    return hosts;
  }

  /** Two workers with the step of their link's rate, the slower direction counting. */
  private record Pair(int one, int other, long rate) {}

  private List<List<Integer>> byLinks() {
    int workers = machines.count();
    List<Pair> pairs = new ArrayList<>();
    double fastest = 0;
    for (int one = 0; one < workers; one++) {
      for (int other = one + 1; other < workers; other++) {
        double rate =
            Math.min(
                machines.links().bytesPerSecond(one, other),
                machines.links().bytesPerSecond(other, one));
        fastest = Math.max(fastest, rate);
        pairs.add(new Pair(one, other, Math.round(Math.log(rate) / Math.log(RATE_STEP))));
      }
    }
    pairs.sort(Comparator.comparingLong(Pair::rate).reversed());
    long least =
        (long) Math.floor(Math.log(Math.max(1, fastest * ISLAND_RATE)) / Math.log(RATE_STEP));
    int[] islandOf = new int[workers];
    List<List<Integer>> islands = new ArrayList<>();
    for (int worker = 0; worker < workers; worker++) {
      islandOf[worker] = worker;
      islands.add(new ArrayList<>(List.of(worker)));
    }
    for (Pair pair : pairs) {
      int one = islandOf[pair.one];
      int other = islandOf[pair.other];
      if (pair.rate > least && one != other) {
        islands.get(other).forEach(worker -> islandOf[worker] = one);
        islands.get(one).addAll(islands.get(other));
        islands.get(other).clear();
      }
    }
    islands.removeIf(List::isEmpty);
    return islands;
  }

  /**
   * Workers for a plan in order of its ranks. Sequence groups are put into single islands where there are enough of these; else they
   * follow the order.
   *
   * @param groups sequence groups
   * @param ranks of each
   */
  int[] place(int groups, int ranks) {
    int[] placed = new int[groups * ranks];
    int next = 0;
    for (int[] island : islands) {
      int whole = Math.min(island.length / ranks * ranks, placed.length - next);
      System.arraycopy(island, 0, placed, next, whole);
      next += whole;
    }
    return next == placed.length ? placed : Arrays.copyOf(order, placed.length);
  }

  /**
   * The workers of the last of several equal gangs that stand in order side by side.
   *
   * @param workers of each
   */
  int[] placeLast(int gangs, int workers) {
    return Arrays.copyOfRange(order, (gangs - 1) * workers, gangs * workers);
  }
}
