package dev.longtake.coordinator.planner;

import dev.longtake.common.plan.ExecutionPlan;

/** What the workers of a plan send each other, by the planner's closed forms. Pure arithmetic, safe for any thread. */
public final class ExchangeVolume {
  private ExchangeVolume() {}

  /**
   * Payload bytes of one denoising step, exact: those that the exchange's streams count.
   *
   * @return [from][to], workers numbered as in the plan; nothing to itself
   */
  public static long[][] ofStep(Workload workload, ExecutionPlan plan) {
    var walk = new SplitWalk(workload.profile(), plan.mode(), plan.sequenceRanks());
    var profile = workload.profile();
    var shares =
        new RankShares(
            TokenGrid.of(workload), profile.getHeads(), profile.getChannels(), plan.shares());
    var traffic = new Traffic(workload, plan, walk, shares);
    long[][] bytes = new long[plan.workers()][plan.workers()];
    for (int from = 0; from < bytes.length; from++) {
      for (int to = 0; to < bytes.length; to++) {
        bytes[from][to] = traffic.between(from, to);
      }
    }
    return bytes;
  }
}
