package dev.longtake.coordinator.planner;

import dev.longtake.common.plan.ExecutionPlan;
import java.util.Locale;
import java.util.stream.Collectors;

/** How the planner's messages write numbers and plans. */
final class Words {
  private static final String[] BYTE_UNITS = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};

  private Words() {}

  /** For example {@code "41.2 GiB"}. */
  static String bytes(long bytes) {
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

  /** For example {@code "1.2 s"} or {@code "3.4 ms"}. */
  static String seconds(double seconds) {
    if (seconds >= 1) {
      return String.format(Locale.ROOT, seconds >= 100 ? "%.0f s" : "%.2f s", seconds);
    }
    return seconds >= 1e-3
        ? String.format(Locale.ROOT, "%.1f ms", seconds * 1e3)
        : String.format(Locale.ROOT, "%.0f us", seconds * 1e6);
  }

  static String workers(int count) {
    return count == 1 ? "1 worker" : count + " workers";
  }

  /** A plan as a part of a sentence. */
  static String plan(ExecutionPlan plan) {
    String text = workers(plan.workers());
    if (plan.branchGroups() > 1) {
      text += ", " + plan.branchGroups() + " branch groups";
    }
    if (plan.stages().size() > 1) {
      text +=
          plan.stages().stream()
              .map(blocks -> blocks.start() + " to " + blocks.end())
              .collect(
                  Collectors.joining(", ", ", " + plan.stages().size() + " stages of blocks ", ""));
    }
    if (plan.sequenceRanks() > 1) {
      text += ", %d sequence ranks".formatted(plan.sequenceRanks());
    }
    if (plan.wireFormat().isLossy() && plan.workers() > 1) {
      text += ", lossy on the way (%s)".formatted(plan.wireFormat());
    }
    return text;
  }
}
