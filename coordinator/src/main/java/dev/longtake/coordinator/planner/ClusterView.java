package dev.longtake.coordinator.planner;

import java.util.List;

/**
 * The workers that a job could use.
 *
 * @param workers at least one
 * @param links between them, numbered in the same order
 */
public record ClusterView(List<WorkerView> workers, Links links) {
  public ClusterView {
    workers = List.copyOf(workers);
    if (workers.isEmpty()) {
      throw new IllegalArgumentException("Expected at least one worker, but got none");
    }
  }
}
