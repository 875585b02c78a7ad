package dev.longtake.coordinator.measure;

import dev.longtake.coordinator.fleet.Member;
import dev.longtake.v1.Precision;
import java.util.List;

/**
 * What a job took, beside what was predicted.
 *
 * @param members in order of their ranks
 * @param precision of the job
 * @param stepSeconds the median of its steps, without the first one
 * @param exposedSeconds of a step, in which the worker that waited longest waited for bytes
 */
public record Observation(
    List<Member> members,
    Precision precision,
    double stepSeconds,
    double predictedStepSeconds,
    double exposedSeconds,
    double predictedExposedSeconds) {
  public Observation {
    members = List.copyOf(members);
  }
}
