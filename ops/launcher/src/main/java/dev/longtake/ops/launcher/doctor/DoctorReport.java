package dev.longtake.ops.launcher.doctor;

import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;

/** Findings for a terminal: a line for each, and one below for what to do. */
final class DoctorReport {
  private DoctorReport() {}

  static String text(List<Finding> findings) {
    int width = findings.stream().mapToInt(finding -> finding.check().length()).max().orElse(0);
    String row = "%-8s %-" + width + "s  %s%n";
    StringBuilder text = new StringBuilder();
    for (Finding finding : findings) {
      text.append(row.formatted(finding.outcome(), finding.check(), finding.found()));
      if (!finding.advice().isEmpty()) {
        text.append(row.formatted("", "", "-> " + finding.advice()));
      }
    }
    return text.append("%n%s%n".formatted(summary(findings))).toString();
  }

  /** For example {@code "9 ok, 1 failed"}. */
  private static String summary(List<Finding> findings) {
    return Arrays.stream(Finding.Outcome.values())
        .map(outcome ->
            "%d %s"
                .formatted(
                    findings.stream().filter(finding -> finding.outcome() == outcome).count(),
                    outcome))
        .filter(count -> !count.startsWith("0 "))
        .collect(Collectors.joining(", "));
  }
}
