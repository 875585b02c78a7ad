package dev.longtake.common.metrics;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.Locale;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The catalogue, what Prometheus makes of it, and docs/metrics.md, which is written anew with {@code -Dlongtake.docs=write}. */
final class MetricTest {
  private static final Path DOCUMENT =
      Path.of(System.getProperty("longtake.root", "..")).resolve("docs/metrics.md");

  private static final String BEGIN = "<!-- From the code: begin -->\n";
  private static final String END = "<!-- From the code: end -->\n";

  private static final Pattern FAMILY = Pattern.compile("# TYPE (\\S+) (\\S+)");

  @Test
  void shouldHaveOneNameWithItsUnitWhenInTheCatalogue() {
    assertThat(Metric.values()).extracting(Metric::exposedName).doesNotHaveDuplicates();
    for (Metric metric : Metric.values()) {
      assertThat(metric.exposedName()).matches("longtake(_[a-z]+)+");
      assertThat(metric.sentence()).endsWith(".");
      assertThat(metric.unit()).isIn("", "seconds", "bytes", "bytes_per_second");
      // Prometheus adds those itself.
      assertThat(metric.labels()).doesNotContain("le", "job", "instance", "worker", "role");
    }
  }

  @Test
  void shouldBeExposedUnderItsNameWhenRegistered() {
    PrometheusMeterRegistry registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
    for (Metric metric : Metric.values()) {
      String[] values = metric.labels().toArray(String[]::new);
      switch (metric.kind()) {
        case COUNTER -> metric.counter(registry, values).increment();
        case GAUGE -> metric.gauge(registry, () -> 1, values);
        case TIMER, HISTOGRAM -> metric.timer(registry, values);
        case SUMMARY -> metric.ratios(registry, values).record(1);
      }
    }
    Set<String> exposed =
        FAMILY
            .matcher(registry.scrape())
            .results()
            .map(MatchResult::group)
            .collect(Collectors.toSet());

    assertThat(exposed)
        .containsExactlyInAnyOrderElementsOf(
            Arrays.stream(Metric.values()).flatMap(MetricTest::families).toList());
  }

  /** What Prometheus should see of a metric; timers and summaries have their largest recent value beside. */
  private static Stream<String> families(Metric metric) {
    String name = "# TYPE " + metric.exposedName();
    return switch (metric.kind()) {
      case COUNTER -> Stream.of(name + " counter");
      case GAUGE -> Stream.of(name + " gauge");
      case TIMER -> Stream.of(name + " summary", name + "_max gauge");
      case HISTOGRAM, SUMMARY -> Stream.of(name + " histogram", name + "_max gauge");
    };
  }

  @Test
  void shouldBeInTheDocumentWhenInTheCatalogue() throws IOException {
    String document = Files.readString(DOCUMENT);
    int begin = document.indexOf(BEGIN) + BEGIN.length();
    int end = document.indexOf(END);
    assertThat(begin).isLessThanOrEqualTo(end);
    if ("write".equals(System.getProperty("longtake.docs"))) {
      document = document.substring(0, begin) + table() + document.substring(end);
      Files.writeString(DOCUMENT, document);
      end = document.indexOf(END);
    }
    assertThat(document.substring(begin, end))
        .as("the table; write it with -Dlongtake.docs=write")
        .isEqualTo(table());
  }

  private static String table() {
    StringBuilder table = new StringBuilder();
    for (Metric.Side side : Metric.Side.values()) {
      String title =
          switch (side) {
            case EVERY -> "Every process";
            case COORDINATOR -> "Coordinator";
            case WORKER -> "Worker";
          };
      table.append("\n### %s\n\n".formatted(title));
      table.append("| metric | kind | labels | says |\n| --- | --- | --- | --- |\n");
      for (Metric metric : Metric.values()) {
        if (metric.side() == side) {
          table.append(
              "| `%s` | %s | %s | %s |\n"
                  .formatted(
                      metric.exposedName(),
                      metric.kind().name().toLowerCase(Locale.ROOT),
                      metric.labels().isEmpty()
                          ? ""
                          : "`" + String.join("`, `", metric.labels()) + "`",
                      metric.sentence()));
        }
      }
    }
    return table.append('\n').toString();
  }

  @Test
  void shouldRefuseOtherLabelsWhenMade() {
    SimpleMeterRegistry registry = new SimpleMeterRegistry();
    assertThatThrownBy(() -> Metric.CACHE_HITS.counter(registry, "embeddings"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("[tier, model]");
    assertThatThrownBy(() -> Metric.JOBS.counter(registry, "done"))
        .isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(() -> Metric.JOBS.timer(registry, "done"))
        .isInstanceOf(IllegalStateException.class);
  }

  @Test
  void shouldShareOneValueWhenThereAreTooMany() {
    BoundedLabel label = new BoundedLabel(2);
    assertThat(Stream.of("a", "b", "c", "a", "d").map(label::of))
        .containsExactly("a", "b", "other", "a", "other");
    assertThat(Collections.nCopies(3, "c").stream().map(label::of)).containsOnly("other");
  }
}
