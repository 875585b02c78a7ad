package dev.longtake.worker.conformance;

import java.io.PrintWriter;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** The errors of bfloat16 products beside those of float32, tensor by tensor. */
final class PrecisionReport {
  /** Distance of neighbouring bfloat16 values, relative to their size: it keeps 8 bits. */
  private static final double SPACING = 0x1p-8;

  private PrecisionReport() {}

  private record Place(String golden, String run, String tensor) {}

  /**
   * Prints both.
   *
   * @param exact in float32
   * @param reduced the same runs in bfloat16; single functions, which have no products, are the same in both
   */
  static void print(PrintWriter out, List<RunReport> exact, List<RunReport> reduced) {
    Map<Place, TensorCheck> inBfloat16 = new HashMap<>();
    for (RunReport report : reduced) {
      for (TensorCheck check : report.checks()) {
        inBfloat16.put(new Place(report.golden(), report.run(), check.tensor()), check);
      }
    }
    double worst = 0;
    for (RunReport report : exact) {
      out.printf("%s %s%n", report.golden(), report.run());
      for (TensorCheck check : report.checks()) {
        TensorCheck other =
            inBfloat16.get(new Place(report.golden(), report.run(), check.tensor()));
        if (other == null) {
          continue;
        }
        double error = other.maxRelativeError();
        worst = Math.max(worst, error);
        out.printf(
            Locale.ROOT,
            "    %-44s f32 %9.2e %s  bf16 %9.2e = %6.2f spacings %s%n",
            check.tensor(),
            check.maxRelativeError(),
            check.passed() ? "pass" : "FAIL",
            error,
            error / SPACING,
            other.passed() ? "pass" : "FAIL");
      }
    }
    long failed = exact.stream().filter(RunReport::failed).count();
    long failedReduced = reduced.stream().filter(RunReport::failed).count();
    out.printf(
        Locale.ROOT,
        "%d runs in both precisions: %d failed in f32, %d in bf16%n",
        exact.size(),
        failed,
        failedReduced);
    out.printf(
        Locale.ROOT,
        "bfloat16 keeps 8 bits: neighbouring values are %.1e apart, relative to their size. Inputs"
            + " and weights of the blocks' products are rounded to it, sums are float32; the"
            + " largest error is %.2e, %.2f of these spacings.%n",
        SPACING,
        worst,
        worst / SPACING);
    out.flush();
  }
}
