package dev.longtake.coordinator.planner;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * Predicted plans in order of preference. With no job waiting a plan is as good as its step is short. With jobs waiting, copies of it
 * run side by side on the workers, and it is as good as all jobs make a step soon: with k jobs on g gangs, {@code ceil(k / g)} each, as
 * many in flight as it allows. Of plans that differ by less than {@value #TIE} the one with the fewest workers is taken.
 */
final class Ranking {
  static final double TIE = 0.01;

  /**
   * A plan that fits.
   *
   * @param gangs of this plan that would run side by side
   * @param seconds until every job has made a step
   */
  record Ranked(Outcome outcome, int gangs, double seconds) {}

  private final List<Ranked> fitting;
  private final List<Outcome> others;

  private Ranking(List<Ranked> fitting, List<Outcome> others) {
    this.fitting = fitting;
    this.others = others;
  }

  /** The fitting ones in order, then the others by what they lack. */
  static Ranking of(List<Ranked> fitting, List<Outcome> others) {
    List<Ranked> sorted = new ArrayList<>(fitting);
    sorted.sort(
        Comparator.comparingDouble(Ranked::seconds)
            .thenComparingInt(ranked -> ranked.outcome.shape().workers())
            .thenComparingInt(ranked -> ranked.outcome.shape().parts()));
    if (!sorted.isEmpty()) {
      double limit = sorted.getFirst().seconds * (1 + TIE);
      Ranked best =
          sorted.stream()
              .takeWhile(ranked -> ranked.seconds <= limit)
              .min(
                  Comparator.comparingInt((Ranked ranked) -> ranked.outcome.shape().workers())
                      .thenComparingInt(ranked -> ranked.outcome.shape().parts()))
              .orElseThrow();
      sorted.remove(best);
      sorted.addFirst(best);
    }
    List<Outcome> rest = new ArrayList<>(others);
    rest.sort(
        Comparator.comparingLong(
                (Outcome outcome) -> outcome.shortage().orElseThrow().lackingBytes())
            .thenComparingInt(outcome -> outcome.shape().workers()));
    return new Ranking(sorted, rest);
  }

  List<Ranked> fitting() {
    return fitting;
  }

  List<Outcome> others() {
    return others;
  }

  int considered() {
    return fitting.size() + others.size();
  }
}
