package dev.longtake.coordinator.planner;

import java.util.List;

/**
 * Links of machines that nobody measured: one kind inside each node, one between all nodes.
 *
 * @param nodeOf the node of each worker
 * @param inside the link between workers of each node
 * @param between the link of one node to all others, which its workers share
 */
public record TierLinks(List<Integer> nodeOf, List<Link> inside, Link between) implements Links {
  /**
   * One kind of link.
   *
   * @param bytesPerSecond in each direction
   * @param latencySeconds one way
   */
  public record Link(double bytesPerSecond, double latencySeconds) {
    public Link {
      if (!(bytesPerSecond > 0) || !(latencySeconds >= 0)) {
        throw new IllegalArgumentException(
            "Expected a positive rate and a latency of at least 0, but got %s bytes/s and %s s"
                .formatted(bytesPerSecond, latencySeconds));
      }
    }
  }

  public TierLinks {
    nodeOf = List.copyOf(nodeOf);
    inside = List.copyOf(inside);
    int nodes = inside.size();
    if (nodeOf.stream().anyMatch(node -> node < 0 || node >= nodes)) {
      throw new IllegalArgumentException(
          "Expected nodes of 0 to %d, but got %s".formatted(nodes - 1, nodeOf));
    }
  }

  private Link link(int from, int to) {
    int node = nodeOf.get(from);
    return node == nodeOf.get(to) ? inside.get(node) : between;
  }

  @Override
  public double bytesPerSecond(int from, int to) {
    return link(from, to).bytesPerSecond;
  }

  @Override
  public double latencySeconds(int from, int to) {
    return link(from, to).latencySeconds;
  }

  @Override
  public boolean isTiered() {
    return true;
  }
}
