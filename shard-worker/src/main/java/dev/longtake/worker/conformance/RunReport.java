package dev.longtake.worker.conformance;

import java.util.List;
import java.util.Map;

/**
 * What became of one run.
 *
 * @param notCompared reference tensors without a counterpart, and why
 */
record RunReport(
    String golden, String run, List<TensorCheck> checks, Map<String, String> notCompared) {
  /** Whether a tensor falls short, or nothing could be compared. */
  boolean failed() {
    return checks.isEmpty() || checks.stream().anyMatch(check -> !check.passed());
  }
}
