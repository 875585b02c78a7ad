package dev.longtake.coordinator.fleet;

import dev.longtake.v1.LinkTimes;
import java.util.List;
import java.util.TreeMap;

/** Links between workers of the fleet that were measured, one for each direction. Thread-safe. */
public final class LinkTable {
  private record Pair(String from, String to) implements Comparable<Pair> {
    @Override
    public int compareTo(Pair other) {
      int byFrom = from.compareTo(other.from);
      return byFrom != 0 ? byFrom : to.compareTo(other.to);
    }
  }

  private final TreeMap<Pair, LinkTimes> links = new TreeMap<>(); // guarded by this

  /** Replaces what was measured before. */
  public synchronized void put(LinkTimes link) {
    links.put(new Pair(link.getFromWorker(), link.getToWorker()), link);
  }

  /** Whether this direction was measured. */
  public synchronized boolean has(String from, String to) {
    return links.containsKey(new Pair(from, to));
  }

  /** In order of the workers' ids. */
  public synchronized List<LinkTimes> all() {
    return List.copyOf(links.values());
  }

  /** A worker has left: another one may come with its id. */
  synchronized void forget(String worker) {
    links.keySet().removeIf(pair -> pair.from.equals(worker) || pair.to.equals(worker));
  }
}
