package dev.longtake.ops.launcher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import dev.longtake.client.JobEvents;
import dev.longtake.client.LongtakeClient;
import dev.longtake.common.metrics.Metric;
import dev.longtake.common.process.JavaProcess;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobState;
import dev.longtake.v1.Plan;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The meters of a cluster of real processes, and the rules and panels of {@code ops} on a real Prometheus. Worker {@code w2} is reached through
 * a line that can be slowed. What needs Prometheus is skipped where it is not installed.
 */
class MonitoringTest {
  private static final Path DASHBOARD =
      TestModels.ROOT.resolve("ops/grafana/dashboards/longtake.json");

  private static final int ENDLESS_STEPS = 1000;
  private static final Plan ALONE = Plan.newBuilder().setSequenceRanks(1).build();
  private static final Plan TWO_RANKS = Plan.newBuilder().setSequenceRanks(2).build();
  private static final Pattern FAMILY = Pattern.compile("# TYPE (longtake_\\w+) ");

  private static final Pattern DEVICE_MEMORY =
      Pattern.compile("(?m)^longtake_device_memory_bytes\\{[^}]*} (\\S+)");
  private static final Pattern EXPRESSION =
      Pattern.compile("expr: (?:>-\\n)?((?:.|\\n(?= {10}))+)");

  @TempDir static Path folder;

  private static final HttpClient HTTP = HttpClient.newHttpClient();
  private static SlowLine line;
  private static TestCluster cluster;

  @BeforeAll
  static void start() {
    line = SlowLine.open();
    cluster =
        TestCluster.start(
            folder,
            TestModels.DEMO,
            0,
            List.of("--metrics-port", "0", "--http-port", "0"),
            List.of("--metrics-port", "0"),
            address -> LongtakeClient.builder().address(address).build());
    assertThat(get(URI.create(cluster.coordinator().httpUrl()).getAuthority(), "/healthz"))
        .contains("SERVING");
    // Chunks so small that even this model's exchanges have several, over sockets.
    List<String> sockets = List.of("--no-shared-memory", "--chunk-bytes", "16K");
    List<String> behindLine = new ArrayList<>(sockets);
    behindLine.addAll(
        List.of("--host", "127.0.0.1", "--port", line.port(), "--advertise", SlowLine.HOST));
    cluster.addWorkers(List.of(sockets, behindLine));
  }

  @AfterAll
  static void stop() {
    cluster.close();
    line.close();
  }

  private static GenerationRequest request(int steps, Plan plan) {
    return GenerationRequest.newBuilder()
        .setPrompt("a blue square moving left on a white background")
        .setSteps(steps)
        .setSeed(5)
        .setPlan(plan)
        .build();
  }

  private static GenerationRequest filling() {
    return request(ENDLESS_STEPS, ALONE).toBuilder().setWidth(96).setHeight(96).build();
  }

  private static Job done(GenerationRequest request) {
    Job job = cluster.generate(request);
    assertThat(job.getState()).as("%s", job).isEqualTo(JobState.JOB_STATE_DONE);
    return job;
  }

  private static String get(String address, String path) {
    HttpRequest request =
        HttpRequest.newBuilder(URI.create("http://" + address + path))
            .timeout(Duration.ofSeconds(30))
            .build();
    try {
      HttpResponse<String> answer = HTTP.send(request, HttpResponse.BodyHandlers.ofString());
      assertThat(answer.statusCode()).as(path).isEqualTo(200);
      return answer.body();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  private static Set<String> families(JavaProcess process) {
    Set<String> names = new TreeSet<>();
    Matcher matcher = FAMILY.matcher(get(process.metricsAddress(), "/metrics"));
    while (matcher.find()) {
      names.add(matcher.group(1));
    }
    return names;
  }

  /** Timers have their largest recent value as a family of its own. */
  private static Set<String> catalogue(Metric.Side side) {
    Set<String> names = new TreeSet<>();
    for (Metric metric : Metric.values()) {
      if (metric.side() == side || metric.side() == Metric.Side.EVERY) {
        names.add(metric.exposedName());
        switch (metric.kind()) {
          case TIMER, HISTOGRAM, SUMMARY -> names.add(metric.exposedName() + "_max");
          case COUNTER, GAUGE -> {}
        }
      }
    }
    return names;
  }

  @Test
  void shouldServeWhatIsInTheCatalogueAndNothingElse() {
    done(request(2, TWO_RANKS));
    JavaProcess coordinator = cluster.coordinator();
    PrometheusServer.await(
        () -> "measured links",
        () -> families(coordinator).contains(Metric.LINK_RATE.exposedName()));

    assertThat(families(coordinator)).containsExactlyElementsOf(catalogue(Metric.Side.COORDINATOR));
    for (String id : List.of("w1", "w2")) {
      assertThat(families(cluster.worker(id)))
          .containsExactlyElementsOf(catalogue(Metric.Side.WORKER));
    }
    // Names of workers and operations, but of no job and no prompt.
    String worker = get(cluster.worker("w1").metricsAddress(), "/metrics");
    assertThat(worker)
        .contains("longtake_link_sent_bytes_total{peer=\"w2\"}")
        .contains("operation=\"Attend\"")
        .doesNotContain("blue square");
  }

  @Test
  void shouldNameEveryProcessWhenAskedForTargets() {
    String targets = get(cluster.coordinator().metricsAddress(), "/metrics/targets");
    assertThat(JsonParser.parseString(targets).getAsJsonArray())
        .contains(
            group(cluster.coordinator(), "{'role':'coordinator'}"),
            group(cluster.worker("w1"), "{'role':'worker','worker':'w1'}"),
            group(cluster.worker("w2"), "{'role':'worker','worker':'w2'}"));
  }

  private static JsonElement group(JavaProcess process, String labels) {
    return JsonParser.parseString(
        "{'targets':['%s'],'labels':%s}".formatted(process.metricsAddress(), labels));
  }

  private static List<String> panelQueries() {
    List<String> queries = new ArrayList<>();
    try {
      JsonObject dashboard = JsonParser.parseString(Files.readString(DASHBOARD)).getAsJsonObject();
      for (JsonElement panel : dashboard.getAsJsonArray("panels")) {
        JsonElement targets = panel.getAsJsonObject().get("targets");
        if (targets != null) {
          targets
              .getAsJsonArray()
              .forEach(target -> queries.add(target.getAsJsonObject().get("expr").getAsString()));
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return queries;
  }

  private static List<String> recordedNames() throws IOException {
    return Pattern.compile("record: (\\S+)")
        .matcher(Files.readString(PrometheusServer.FILES.resolve("recording.yml")))
        .results()
        .map(result -> result.group(1))
        .toList();
  }

  @Test
  void shouldBeInAPanelWhenInTheCatalogue() throws IOException {
    String shown =
        String.join("\n", panelQueries())
            + Files.readString(PrometheusServer.FILES.resolve("recording.yml"));
    assertThat(Arrays.stream(Metric.values()).map(Metric::exposedName))
        .allSatisfy(name -> assertThat(shown).contains(name));
    assertThat(recordedNames()).isNotEmpty();
  }

  @Test
  void shouldPassPrometheusOwnChecks() {
    assumeTrue(PrometheusServer.isInstalled(), "Prometheus is not installed");
    for (String[] command :
        new String[][] {
          {"promtool", "check", "config", "prometheus.yml"},
          {"promtool", "check", "rules", "recording.yml", "alerts.yml"},
          {"promtool", "test", "rules", "rules_test.yml"}
        }) {
      PrometheusServer.Ended ended = PrometheusServer.run(command);
      assertThat(ended.status()).as("%s: %s", String.join(" ", command), ended.output()).isZero();
    }
  }

  @Test
  void shouldFillEveryPanelAndFireWhenSomethingBreaks() throws IOException {
    assumeTrue(PrometheusServer.isInstalled(), "Prometheus is not installed");
    LongtakeClient client = cluster.client();
    long plannedBytes = plannedBytes();
    try (PrometheusServer prometheus =
        PrometheusServer.start(folder, cluster.coordinator().metricsAddress())) {
      prometheus.awaitSome("count(up == 1) == 3");
      // The second one finds in the caches what the first one made.
      GenerationRequest.Builder fresh =
          request(3, TWO_RANKS).toBuilder().setPrompt("a green star growing");
      done(fresh.build());
      done(fresh.build());
      GenerationRequest large =
          request(ENDLESS_STEPS, TWO_RANKS).toBuilder().setWidth(96).setHeight(96).build();
      String running = client.submit(large).getId();
      try (JobEvents events = client.events(running, 0)) {
        awaitStep(events);
        awaitEveryQuery(prometheus);
        slowTheLink(prometheus);
        String filled = fillMemory(prometheus, plannedBytes);
        kill(filled, prometheus);
      } finally {
        client.cancel(running);
      }
    }
  }

  private static void awaitStep(JobEvents events) {
    while (!events.next().hasStepDone()) {
      // What comes before the first step.
    }
  }

  private static void awaitEveryQuery(PrometheusServer prometheus) throws IOException {
    Set<String> empty = new LinkedHashSet<>(panelQueries());
    empty.addAll(recordedNames());
    empty.addAll(alertConditions());
    assertThat(empty).hasSizeGreaterThan(80);
    PrometheusServer.await(
        () -> "values of " + String.join("\n", empty),
        () -> {
          empty.removeIf(query -> !prometheus.query(query).isEmpty());
          return empty.isEmpty();
        });
  }

  /** Of what alerts ask, both sides of comparisons. */
  private static List<String> alertConditions() throws IOException {
    String alerts = Files.readString(PrometheusServer.FILES.resolve("alerts.yml"));
    return EXPRESSION
        .matcher(alerts)
        .results()
        .map(result -> result.group(1).strip())
        .flatMap(condition -> Arrays.stream(condition.split(" and on \\([a-z, ]*\\)\\s")))
        .map(comparison -> comparison.replaceAll("\\s(<|>|==) [^<>=]*$", "").strip())
        .toList();
  }

  private static void slowTheLink(PrometheusServer prometheus) {
    prometheus.awaitSome("longtake:link_receive_bytes_per_second:measured_ratio{worker=\"w2\"}");
    line.limit(100_000);
    prometheus.awaitSome(
        "longtake:link_receive_bytes_per_second:measured_ratio{peer=\"w1\",worker=\"w2\"} < 0.5");
    prometheus.awaitAlert("LongtakeLinkSlow", ",peer=\"w1\",worker=\"w2\"");
    line.unlimit();
  }

  /** Device memory that is planned for a worker that samples alone, which is what it then has in use, or a little more. */
  private static long plannedBytes() {
    LongtakeClient client = cluster.client();
    String running = client.submit(filling()).getId();
    try (JobEvents events = client.events(running, 0)) {
      awaitStep(events);
    }
    Job job = client.get(running);
    String metrics = get(cluster.worker(job.getWorkerIds(0)).metricsAddress(), "/metrics");
    client.cancel(running);
    client.watch(running, _ -> {});
    double needed =
        DEVICE_MEMORY
            .matcher(metrics)
            .results()
            .mapToDouble(result -> Double.parseDouble(result.group(1)))
            .sum();
    long planned = job.getPlan().getPrediction().getWorkers(0).getMemoryBytes();
    assertThat((double) planned).isBetween(needed, 1.04 * needed);
    return planned;
  }

  /** A worker that has just the memory that a job is planned to take; returns its id. */
  private static String fillMemory(PrometheusServer prometheus, long plannedBytes) {
    cluster.addWorkers(List.of(List.of("--memory-limit", Long.toString(plannedBytes))));
    String id = "w3";
    String running = cluster.client().submit(filling()).getId();
    prometheus.awaitSome("longtake:device_memory:used_ratio{worker=\"%s\"} > 0.95".formatted(id));
    prometheus.awaitAlert("LongtakeDeviceMemoryHigh", ",worker=\"%s\"".formatted(id));
    cluster.client().cancel(running);
    return id;
  }

  private static void kill(String id, PrometheusServer prometheus) {
    assertThat(prometheus.query("ALERTS{alertname=\"LongtakeWorkerLost\"}")).isEmpty();
    assertThat(cluster.worker(id).handle().destroyForcibly()).isTrue();
    prometheus.awaitSome("sum(increase(longtake_workers_left_total{reason=\"lost\"}[10m])) > 0");
    prometheus.awaitAlert("LongtakeWorkerLost", "");
  }
}
