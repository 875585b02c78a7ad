package dev.longtake.coordinator.planner;

/** What the network between workers carries. Workers are numbered as in their {@link ClusterView}; each pair is asked alone. */
public interface Links {
  /** Payload bytes per second that one worker sends to another while the other sends as much. */
  double bytesPerSecond(int from, int to);

  /** One way, of the smallest message. */
  double latencySeconds(int from, int to);

  /**
   * Whether a worker has the same link to all others of its host, and the same link to all of other hosts. A planner may then ask for
   * one of each instead of all pairs.
   */
  default boolean isTiered() {
    return false;
  }
}
