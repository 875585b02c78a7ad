package dev.longtake.worker.conformance;

import java.util.List;
import java.util.Map;

/**
 * What became of one run.
 *
 * @param notCompared reference tensors without a counterpart, and why
 * @param later why the run can't be made yet; empty when it was made
 */
record RunReport(
    String golden,
    String run,
    List<TensorCheck> checks,
    Map<String, String> notCompared,
    String later) {
  static RunReport later(String golden, String run, String reason) {
    return new RunReport(golden, run, List.of(), Map.of(), reason);
  }

  boolean isLater() {
    return !later.isEmpty();
  }

  boolean failed() {
    return !isLater() && (checks.isEmpty() || checks.stream().anyMatch(check -> !check.passed()));
  }
}
