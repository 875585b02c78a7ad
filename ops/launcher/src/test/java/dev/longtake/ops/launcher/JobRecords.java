package dev.longtake.ops.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import dev.longtake.ops.testing.CollectedSpan;
import dev.longtake.v1.Job;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** What is left of a job in traces and logs. */
final class JobRecords {
  private JobRecords() {}

  /** The spans of a job that lost all its attempts but the last, and its workers' orders below them. */
  static void assertOneTrace(List<CollectedSpan> all, Job job) {
    CollectedSpan root =
        all.stream()
            .filter(span -> span.name().equals("job") && isOf(job, span))
            .reduce((_, _) -> {
              throw new AssertionError("Expected one root of " + job.getId());
            })
            .orElseThrow();
    List<CollectedSpan> trace =
        all.stream().filter(span -> span.traceId().equals(root.traceId())).toList();
    List<CollectedSpan> attempts =
        trace.stream().filter(span -> span.name().startsWith("attempt ")).toList();
    assertThat(attempts)
        .hasSize((int) job.getAttempt())
        .allMatch(span -> span.parentId().equals(root.id()));
    assertThat(attempts)
        .filteredOn(CollectedSpan::isError)
        .extracting(CollectedSpan::name)
        .containsExactlyInAnyOrder("attempt 1", "attempt 2");
    CollectedSpan last =
        attempts.stream()
            .filter(span -> span.name().equals("attempt " + job.getAttempt()))
            .findFirst()
            .orElseThrow();
    List<CollectedSpan> calls = below(trace, last, "longtake.v1.Worker/Run");
    assertThat(calls).hasSize(job.getWorkerIdsCount());
    assertThat(calls)
        .allSatisfy(call -> {
          CollectedSpan served = below(trace, call, "longtake.v1.Worker/Run").getFirst();
          assertThat(served.service()).isEqualTo("longtake-worker");
          CollectedSpan order = below(trace, served, "order sampling").getFirst();
          assertThat(order.events()).contains("step " + job.getRequest().getSteps());
          assertThat(job.getWorkerIdsList()).contains(order.attributes().get("longtake.worker.id"));
        });
    assertThat(all)
        .filteredOn(span -> span.name().equals("longtake.v1.Generation/Submit"))
        .anyMatch(span -> isOf(job, span));
  }

  private static boolean isOf(Job job, CollectedSpan span) {
    return job.getId().equals(span.attributes().get("longtake.job.id"));
  }

  private static List<CollectedSpan> below(
      List<CollectedSpan> trace, CollectedSpan parent, String name) {
    return trace.stream()
        .filter(span -> span.parentId().equals(parent.id()) && span.name().equals(name))
        .toList();
  }

  /** Logs are JSON, name the job and its attempts in fields, and never what was asked for. */
  static void assertLogged(Path folder, Job job) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      for (Path log : files.filter(file -> file.toString().endsWith(".log")).toList()) {
        assertThat(log).content().doesNotContain(job.getRequest().getPrompt());
      }
    }
    List<JsonObject> coordinator = objects(folder.resolve("coordinator.log"));
    assertThat(coordinator)
        .anyMatch(line -> line.has("attempt") && isOf(job, line))
        .anyMatch(line ->
            isOf(job, line)
                && line.get("level").getAsString().equals("WARNING")
                && line.get("message").getAsString().contains("waits again"));
    String worker = job.getWorkerIds(0);
    assertThat(objects(folder.resolve(worker + ".log")))
        .anyMatch(line ->
            isOf(job, line)
                && line.get("worker").getAsString().equals(worker)
                && line.get("attempt").getAsString().equals(Long.toString(job.getAttempt())));
  }

  private static boolean isOf(Job job, JsonObject line) {
    return line.has("job") && line.get("job").getAsString().equals(job.getId());
  }

  private static List<JsonObject> objects(Path log) throws IOException {
    return Files.readAllLines(log).stream()
        .filter(line -> !line.startsWith("WARNING: Using incubator modules"))
        .map(line -> JsonParser.parseString(line).getAsJsonObject())
        .toList();
  }
}
