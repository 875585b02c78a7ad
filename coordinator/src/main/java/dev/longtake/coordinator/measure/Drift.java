package dev.longtake.coordinator.measure;

import dev.longtake.coordinator.fleet.Member;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Whether predictions are still right: a worker whose jobs miss them twice in a row has drifted, and so have the links between
 * workers whose exchange does. Not thread-safe.
 */
final class Drift {
  /** Of the prediction. */
  static final double TOLERANCE = 0.3;

  /** Exchange that was neither expected nor met to take this share of a step decides nothing. */
  static final double NEGLIGIBLE_SHARE = 0.05;

  static final int JOBS_IN_A_ROW = 2;

  private final Map<Member, Integer> slow = new HashMap<>();
  private final Map<Member, Integer> waiting = new HashMap<>();

  /** Workers to measure again, and workers between which links are. */
  record Verdict(List<Member> blocks, List<Member> links) {}

  Verdict judge(Observation job) {
    boolean stepOff = isOff(job.stepSeconds(), job.predictedStepSeconds());
    boolean exchangeOff =
        job.members().size() > 1
            && isOff(job.exposedSeconds(), job.predictedExposedSeconds())
            && Math.max(job.exposedSeconds(), job.predictedExposedSeconds())
                > NEGLIGIBLE_SHARE * job.predictedStepSeconds();
    return new Verdict(
        count(slow, job.members(), stepOff), count(waiting, job.members(), exchangeOff));
  }

  private static boolean isOff(double measured, double predicted) {
    return Math.abs(measured - predicted) > TOLERANCE * predicted;
  }

  private static List<Member> count(
      Map<Member, Integer> misses, List<Member> members, boolean off) {
    if (!off) {
      members.forEach(misses::remove);
      return List.of();
    }
    members.forEach(member -> misses.merge(member, 1, Integer::sum));
    List<Member> drifted =
        members.stream().filter(member -> misses.getOrDefault(member, 0) >= JOBS_IN_A_ROW).toList();
    drifted.forEach(misses::remove);
    return drifted;
  }

  void forget(Member member) {
    slow.remove(member);
    waiting.remove(member);
  }
}
