package dev.longtake.worker.conformance;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import java.io.PrintWriter;
import java.util.List;
import java.util.Locale;

/** Prints what was found, for people or for scripts. */
final class ConformanceReport {
  private static final Gson GSON =
      new GsonBuilder().setPrettyPrinting().serializeSpecialFloatingPointValues().create();

  private ConformanceReport() {}

  static void print(PrintWriter out, List<RunReport> reports) {
    String golden = "";
    for (RunReport report : reports) {
      if (!report.golden().equals(golden)) {
        golden = report.golden();
        out.println(golden);
      }
      out.printf(Locale.ROOT, "  %-28s %s%n", report.run(), report.failed() ? "FAIL" : "pass");
      for (TensorCheck check : report.checks()) {
        out.printf(
            Locale.ROOT,
            "    %-44s abs %9.2e  rel %9.2e  tolerance %.1e  %s%n",
            check.tensor(),
            check.maxAbsoluteError(),
            check.maxRelativeError(),
            check.tolerance(),
            check.passed() ? "pass" : "FAIL");
      }
      report
          .notCompared()
          .forEach((tensor, why) -> out.printf("    %-44s not compared: %s%n", tensor, why));
    }
    out.printf(
        "%d runs: %d passed, %d failed%n",
        reports.size(),
        reports.stream().filter(report -> !report.failed()).count(),
        reports.stream().filter(RunReport::failed).count());
    out.flush();
  }

  static void printJson(PrintWriter out, Conformance setup, List<RunReport> reports) {
    JsonObject root = new JsonObject();
    root.addProperty("workers", setup.workers());
    root.addProperty("precision", ConformanceCommand.name(setup.precision()));
    root.addProperty("passed", reports.stream().noneMatch(RunReport::failed));
    JsonArray runs = new JsonArray();
    for (RunReport report : reports) {
      JsonObject run = new JsonObject();
      run.addProperty("case", report.golden());
      run.addProperty("run", report.run());
      run.addProperty("status", report.failed() ? "fail" : "pass");
      run.add("tensors", tensors(report));
      run.add("not_compared", GSON.toJsonTree(report.notCompared()));
      runs.add(run);
    }
    root.add("runs", runs);
    out.println(GSON.toJson(root));
    out.flush();
  }

  private static JsonArray tensors(RunReport report) {
    JsonArray tensors = new JsonArray();
    for (TensorCheck check : report.checks()) {
      JsonObject tensor = new JsonObject();
      tensor.addProperty("name", check.tensor());
      tensor.addProperty("max_abs_error", check.maxAbsoluteError());
      tensor.addProperty("max_rel_error", check.maxRelativeError());
      tensor.addProperty("tolerance", check.tolerance());
      tensor.addProperty("passed", check.passed());
      tensors.add(tensor);
    }
    return tensors;
  }
}
