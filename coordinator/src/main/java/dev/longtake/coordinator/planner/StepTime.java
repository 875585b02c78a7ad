package dev.longtake.coordinator.planner;

import dev.longtake.common.partition.Partition;

/**
 * The time of a step from the times of its stages.
 *
 * <p>One stage, one part: computing and exchanges one after the other, {@code c + x}. With m parts one computes while another
 * exchanges: the longer of the two decides, and the first part's first exchange or computing cannot be hidden, {@code max(c, x) +
 * min(c, x) / (m e)} with e exchanges.
 *
 * <p>S stages and m parts: a part leaves a stage before the next one enters it, so the parts pass through the stages as through a
 * pipeline. The first part takes its share of every stage, each other part comes behind it at the pace of the slowest stage: {@code sum
 * (c_s + x_s) w_1 + max (c_s + x_s) (w_2 + ... + w_m)} with the parts' shares w; with equal stages and parts {@code (S + m - 1) / m}
 * times a stage. Each boundary and the way of the latents back to the first stage are waited for.
 *
 * <p>With more jobs in flight all stages work, and a step of each job comes out at the pace of the slowest stage.
 */
final class StepTime {
  private StepTime() {}

  /**
   * Of one branch group.
   *
   * @param seconds of a step when a job is alone
   * @param compute of the slowest stage
   * @param exposed exchange that nothing hides: of the slowest stage, and what all wait for
   * @param idle waiting for other stages
   * @param period seconds after which the stages could begin a step of another job
   */
  record Timing(double seconds, double compute, double exposed, double idle, double period) {}

  /** One stage's whole work of a step. */
  record Stage(double compute, double exchange, int exchanges) {
    /** With parts that take turns. */
    double overlapped(int parts) {
      if (parts < 2 || exchange == 0) {
        return compute + exchange;
      }
      return Math.max(compute, exchange)
          + Math.min(compute, exchange) / (parts * (double) Math.max(1, exchanges));
    }
  }

  /**
   * The time of a group.
   *
   * @param stages in order
   * @param boundaries seconds for all parts' way to the next stage; one less than stages
   * @param back seconds of the latents' way from the last stage to the first; 0 with one stage
   * @param rows of the group
   * @param parts that they are computed in, at most rows
   */
  static Timing of(Stage[] stages, double[] boundaries, double back, int rows, int parts) {
    Partition lanes = new Partition(rows, parts);
    double first = (double) lanes.of(0).size() / rows;
    if (stages.length == 1) {
      double seconds = stages[0].overlapped(parts);
      double compute = stages[0].compute;
      return new Timing(seconds, compute, seconds - compute, 0, seconds);
    }
    double sum = 0;
    double period = 0;
    Stage slowest = stages[0];
    for (Stage stage : stages) {
      sum += stage.compute + stage.exchange;
      period = Math.max(period, stage.overlapped(2));
      if (stage.compute + stage.exchange > slowest.compute + slowest.exchange) {
        slowest = stage;
      }
    }
    double waits = back;
    for (double boundary : boundaries) {
      waits += boundary * first;
    }
    double longest = slowest.compute + slowest.exchange;
    double seconds = sum * first + longest * (1 - first) + waits;
    return new Timing(
        seconds,
        slowest.compute,
        slowest.exchange + waits,
        Math.max(0, seconds - longest - waits),
        period);
  }
}
