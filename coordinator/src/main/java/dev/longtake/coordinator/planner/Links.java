package dev.longtake.coordinator.planner;

/** What bytes cost between the workers of a {@link ClusterView}, which are named by their index there. */
public interface Links {
  /** Of one direction, while the other is busy too. */
  double bytesPerSecond(int from, int to);

  /** One way, of the smallest message. */
  double latencySeconds(int from, int to);
}
