package dev.longtake.coordinator.planner;

import dev.longtake.coordinator.planner.Outcome.Shortage;
import dev.longtake.coordinator.planner.Ranking.Ranked;
import java.util.Locale;

/** Why plans won and lost, for people. */
final class Reasons {
  /** Less is as fast. */
  private static final double AS_FAST = 1.01;

  private final Machines machines;
  private final Ranking ranking;
  private final int jobs;

  Reasons(Machines machines, Ranking ranking, int jobs) {
    this.machines = machines;
    this.ranking = ranking;
    this.jobs = jobs;
  }

  /** Of the first one. */
  String won() {
    Ranked best = ranking.fitting().getFirst();
    StepTime.Timing timing = best.outcome().timing();
    int considered = ranking.considered();
    StringBuilder text =
        new StringBuilder(
            considered == 1
                ? "the only plan on " + Words.workers(machines.count())
                : "the fastest of %d plans on %s"
                    .formatted(considered, Words.workers(machines.count())));
    text.append(": " + Words.seconds(timing.seconds()) + " a step");
    if (timing.exposed() > 0.005 * timing.seconds()) {
      text.append(
          String.format(
              Locale.ROOT,
              ", of which %.0f %% waits for bytes",
              100 * timing.exposed() / timing.seconds()));
    }
    if (timing.idle() > 0.005 * timing.seconds()) {
      text.append(
          String.format(
              Locale.ROOT, ", %.0f %% for other stages", 100 * timing.idle() / timing.seconds()));
    }
    if (!ranking.others().isEmpty()) {
      text.append("; %d don't fit into memory".formatted(ranking.others().size()));
    }
    text.append(waiting(best));
    return text.append(measured()).toString();
  }

  private String waiting(Ranked best) {
    if (jobs == 1) {
      return "";
    }
    String side =
        best.gangs() == 1
            ? "one after the other"
            : "on %d gangs of %s side by side"
                .formatted(best.gangs(), Words.workers(best.outcome().shape().workers()));
    return "; with %d waiting, all %d jobs have made a step after %s %s"
        .formatted(jobs - 1, jobs, Words.seconds(best.seconds()), side);
  }

  private String measured() {
    long measured = machines.measured();
    if (measured == machines.count()) {
      return "";
    }
    String assumed =
        String.format(
            Locale.ROOT,
            "declared rates of %.0f (float32) or %.0f (bfloat16) GFLOP/s a thread are assumed",
            Rates.THREAD_FLOPS_F32 / 1e9,
            Rates.THREAD_FLOPS_BF16 / 1e9);
    return measured == 0
        ? "; not measured: " + assumed
        : "; %d of %d workers not measured: %s"
            .formatted(machines.count() - measured, machines.count(), assumed);
  }

  /** Of another one that fits. */
  String lost(Ranked ranked) {
    Ranked best = ranking.fitting().getFirst();
    double ratio = ranked.seconds() / best.seconds();
    int workers = ranked.outcome().shape().workers();
    if (ratio < AS_FAST) {
      return workers > best.outcome().shape().workers()
          ? "as fast, but with " + Words.workers(workers)
          : "as fast within 1 %";
    }
    String slower =
        ratio < 2
            ? String.format(Locale.ROOT, "%.0f %% slower: ", 100 * (ratio - 1))
            : String.format(Locale.ROOT, ratio < 10 ? "%.1f x slower: " : "%.0f x slower: ", ratio);
    if (jobs > 1 && ranked.outcome().seconds() <= best.outcome().seconds()) {
      return slower
          + "one job is faster so, but the jobs together finish later with %s of %s"
              .formatted(
                  ranked.gangs() == 1 ? "one gang" : ranked.gangs() + " gangs",
                  Words.workers(workers));
    }
    return slower + dominant(ranked.outcome().timing(), best.outcome().timing());
  }

  private static String dominant(StepTime.Timing lost, StepTime.Timing won) {
    double compute = lost.compute() - won.compute();
    double exposed = lost.exposed() - won.exposed();
    double idle = lost.idle() - won.idle();
    if (exposed >= compute && exposed >= idle) {
      return "waits %s a step for bytes".formatted(Words.seconds(lost.exposed()));
    }
    return idle >= compute
        ? "its stages wait %s a step for each other".formatted(Words.seconds(lost.idle()))
        : "its busiest worker computes %s a step".formatted(Words.seconds(lost.compute()));
  }

  /** Of one that does not fit. */
  String doesNotFit(Outcome outcome) {
    Shortage shortage = outcome.shortage().orElseThrow();
    return "does not fit: needs %s of %s on %s"
        .formatted(
            Words.bytes(shortage.neededBytes()),
            Words.bytes(shortage.availableBytes()),
            machines.worker(outcome.workers()[shortage.rank()]).id());
  }
}
