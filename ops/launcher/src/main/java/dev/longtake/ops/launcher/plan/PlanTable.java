package dev.longtake.ops.launcher.plan;

import com.google.protobuf.Duration;
import dev.longtake.client.cli.PlanText;
import dev.longtake.client.cli.Texts;
import dev.longtake.v1.ExplainResponse;
import dev.longtake.v1.PlanCandidate;
import dev.longtake.v1.PlanPrediction;
import dev.longtake.v1.WorkerPrediction;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.ToLongFunction;

/** Candidates as an aligned table for a terminal. Of several workers the largest memory and the most sent bytes are shown. */
final class PlanTable {
  private static final List<String> HEADER =
      List.of("PLAN", "WORKERS", "STEP", "WAITING", "MEMORY", "SENT", "");

  private PlanTable() {}

  static String of(ExplainResponse response) {
    List<List<String>> rows = new ArrayList<>();
    rows.add(HEADER);
    response.getCandidatesList().forEach(candidate -> rows.add(row(candidate)));
    int[] widths = new int[HEADER.size()];
    for (List<String> row : rows) {
      for (int column = 0; column < widths.length; column++) {
        widths[column] = Math.max(widths[column], row.get(column).length());
      }
    }
    StringBuilder text = new StringBuilder();
    text.append(
        "%s considered for %d rows with %d text tokens; per step and worker:%n%n"
            .formatted(
                response.getConsidered() == 1 ? "1 plan" : response.getConsidered() + " plans",
                response.getRows(),
                response.getTextTokens()));
    for (List<String> row : rows) {
      StringBuilder line = new StringBuilder();
      for (int column = 0; column < widths.length; column++) {
        boolean isText = column == 0 || column == widths.length - 1;
        String padding = " ".repeat(widths[column] - row.get(column).length());
        line.append(isText ? row.get(column) + padding : padding + row.get(column)).append("  ");
      }
      text.append(line.toString().stripTrailing()).append(System.lineSeparator());
    }
    text.append(
        "%nOne clip of this size has room for %d latent frames at once; longer videos are made by segments.%n"
            .formatted(response.getMaxLatentFrames()));
    return text.toString();
  }

  private static List<String> row(PlanCandidate candidate) {
    PlanPrediction prediction = candidate.getPlan().getPrediction();
    return List.of(
        PlanText.format(candidate.getPlan()),
        String.valueOf(candidate.getWorkerIdsCount()),
        prediction.hasStep() ? seconds(prediction.getStep()) : "-",
        prediction.hasStep() ? seconds(prediction.getExposedExchange()) : "-",
        most(prediction, WorkerPrediction::getMemoryBytes),
        most(prediction, WorkerPrediction::getSentBytes),
        (candidate.getChosen() ? "chosen: " : "") + candidate.getReason());
  }

  private static String most(PlanPrediction prediction, ToLongFunction<WorkerPrediction> bytes) {
    return prediction.getWorkersCount() == 0
        ? "-"
        : Texts.bytes(prediction.getWorkersList().stream().mapToLong(bytes).max().orElse(0));
  }

  private static String seconds(Duration duration) {
    double seconds = duration.getSeconds() + duration.getNanos() / 1e9;
    if (seconds >= 1) {
      return String.format(Locale.ROOT, seconds >= 100 ? "%.0f s" : "%.2f s", seconds);
    }
    return String.format(Locale.ROOT, "%.1f ms", seconds * 1000);
  }
}
