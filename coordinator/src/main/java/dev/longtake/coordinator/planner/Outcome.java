package dev.longtake.coordinator.planner;

import dev.longtake.common.plan.ExecutionPlan;
import java.util.Optional;

/**
 * A plan on certain workers, predicted.
 *
 * @param plan with even ranges of blocks where none fit into memory
 * @param workers in order of the plan's ranks
 * @param timing of the slowest branch group, the exchange of predictions included; zeros where the plan does not fit
 * @param jobsInFlight that keep the stages full and fit into memory
 * @param shortage the worker that lacks the most, where the plan does not fit
 */
record Outcome(
    Shape shape,
    ExecutionPlan plan,
    int[] workers,
    StepTime.Timing timing,
    int jobsInFlight,
    Optional<Shortage> shortage) {

  /** A worker with less memory than the plan needs. */
  record Shortage(int rank, long neededBytes, long availableBytes) {
    long lackingBytes() {
      return neededBytes - availableBytes;
    }
  }

  boolean fits() {
    return shortage.isEmpty();
  }

  /** Seconds of a step when the job is alone. */
  double seconds() {
    return timing.seconds();
  }

  /**
   * Seconds in which each of some jobs that start together has made one step, with as many in flight as the plan can have.
   *
   * @param jobs at least 1
   */
  double secondsOf(int jobs) {
    int full = jobs / jobsInFlight;
    int rest = jobs % jobsInFlight;
    return full * Math.max(timing.seconds(), jobsInFlight * timing.period())
        + (rest == 0 ? 0 : Math.max(timing.seconds(), rest * timing.period()));
  }
}
