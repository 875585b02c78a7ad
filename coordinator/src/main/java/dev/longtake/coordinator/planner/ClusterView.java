package dev.longtake.coordinator.planner;

import java.util.List;

/** The workers that a plan may use, and the links between them. */
public record ClusterView(List<WorkerView> workers, Links links) {
  public ClusterView {
    workers = List.copyOf(workers);
  }
}
