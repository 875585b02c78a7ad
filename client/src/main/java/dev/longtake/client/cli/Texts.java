package dev.longtake.client.cli;

import dev.longtake.v1.Handover;
import dev.longtake.v1.Plan;
import java.util.Locale;

/** How durations, sizes and plans read on a terminal. */
public final class Texts {
  private static final String[] BYTE_UNITS = {"B", "KiB", "MiB", "GiB", "TiB"};

  private Texts() {}

  /** For example {@code "4 workers: 2 branches x 2 ranks (switch)"}. */
  public static String plan(Plan plan) {
    int workers =
        Math.max(1, plan.getBranchGroups())
            * Math.max(1, plan.getStagesCount())
            * Math.max(1, plan.getSequenceRanks());
    return workers == 1 ? PlanText.format(plan) : workers(workers) + ": " + PlanText.format(plan);
  }

  /** For example {@code "1 worker"} or {@code "2 workers"}. */
  public static String workers(int workers) {
    return workers + (workers == 1 ? " worker" : " workers");
  }

  /** For example {@code "0:07"} or {@code "1:02:03"}. */
  public static String clock(double seconds) {
    long whole = Math.round(seconds);
    return whole < 3600
        ? "%d:%02d".formatted(whole / 60, whole % 60)
        : "%d:%02d:%02d".formatted(whole / 3600, whole / 60 % 60, whole % 60);
  }

  /** For example {@code "1.4 MiB"}. */
  public static String bytes(long bytes) {
    double value = bytes;
    int unit = 0;
    while (value >= 1024 && unit < BYTE_UNITS.length - 1) {
      value /= 1024;
      unit++;
    }
    return unit == 0
        ? bytes + " B"
        : String.format(Locale.ROOT, "%.1f %s", value, BYTE_UNITS[unit]);
  }

  static double seconds(com.google.protobuf.Duration duration) {
    return duration.getSeconds() + duration.getNanos() / 1e9;
  }

  /** What segments give each other. */
  static String handover(Handover handover) {
    return handover == Handover.HANDOVER_PIXELS ? "pixels, encoded again" : "latents";
  }
}
