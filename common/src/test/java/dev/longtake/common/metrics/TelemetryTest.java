package dev.longtake.common.metrics;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.tracing.Tracing;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/** The endpoint over real sockets. */
final class TelemetryTest {
  private static final String LOOPBACK = "127.0.0.1";

  private final HttpClient client =
      HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(30)).build();

  private HttpResponse<String> get(Telemetry telemetry, String path, String accept)
      throws IOException, InterruptedException {
    return send(request(telemetry, path).header("Accept", accept).build());
  }

  private static HttpRequest.Builder request(Telemetry telemetry, String path) {
    return HttpRequest.newBuilder(URI.create("http://" + telemetry.address(LOOPBACK) + path))
        .timeout(Duration.ofSeconds(30));
  }

  private HttpResponse<String> send(HttpRequest request) throws IOException, InterruptedException {
    return client.send(request, HttpResponse.BodyHandlers.ofString());
  }

  @Test
  void shouldShowMetersOfTheProgramAndTheProcessWhenScraped() throws Exception {
    try (Telemetry telemetry = Telemetry.shown(LOOPBACK, 0, Tracing.off())) {
      Metric.LINK_SENT_BYTES.counter(telemetry.registry(), "w2").increment(7);
      AtomicInteger scrapes = new AtomicInteger();
      telemetry.beforeScrape(scrapes::incrementAndGet);

      HttpResponse<String> text = get(telemetry, "/metrics", "*/*");
      HttpResponse<String> open =
          get(telemetry, "/metrics", "application/openmetrics-text; version=1.0.0");

      assertThat(text.statusCode()).isEqualTo(200);
      assertThat(text.headers().firstValue("Content-Type").orElseThrow())
          .startsWith("text/plain; version=0.0.4");
      assertThat(text.body())
          .contains("longtake_link_sent_bytes_total{peer=\"w2\"} 7.0\n")
          .contains("longtake_build_info{version=")
          .contains("jvm_memory_used_bytes{area=\"heap\"")
          .contains("process_cpu_usage ")
          .contains("process_uptime_seconds ");
      assertThat(open.headers().firstValue("Content-Type").orElseThrow())
          .startsWith("application/openmetrics-text; version=1.0.0");
      assertThat(open.body())
          .contains("longtake_link_sent_bytes_total{peer=\"w2\"} 7.0\n")
          .endsWith("# EOF\n");
      assertThat(scrapes).hasValue(2);
    }
  }

  @Test
  void shouldServeFurtherPagesAndNothingElse() throws Exception {
    try (Telemetry telemetry = Telemetry.shown(LOOPBACK, 0, Tracing.off())) {
      telemetry.page("/metrics/targets", "application/json", () -> "[]");

      HttpResponse<String> page = get(telemetry, "/metrics/targets", "*/*");
      assertThat(page.body()).isEqualTo("[]");
      assertThat(page.headers().firstValue("Content-Type")).contains("application/json");
      for (String nowhere : new String[] {"/", "/metrics/", "/metricsX", "/metrics/targets/x"}) {
        assertThat(get(telemetry, nowhere, "*/*").statusCode()).as(nowhere).isEqualTo(404);
      }
    }
  }

  @Test
  void shouldAnswerWhoSendsWhatItDoesNotWantEveryTime() throws Exception {
    try (Telemetry telemetry = Telemetry.shown(LOOPBACK, 0, Tracing.off())) {
      HttpRequest post =
          request(telemetry, "/metrics")
              .POST(HttpRequest.BodyPublishers.ofString("x".repeat(1 << 20)))
              .build();
      // A server that answers before it has read all of it is found out by one in seven or so.
      for (int i = 0; i < 100; i++) {
        assertThat(send(post).statusCode()).isEqualTo(405);
      }
    }
  }

  @Test
  void shouldAnswerOthersWhenOnePageFails() throws Exception {
    try (Telemetry telemetry = Telemetry.shown(LOOPBACK, 0, Tracing.off())) {
      telemetry.page(
          "/metrics/broken",
          "text/plain",
          () -> {
            throw new IllegalStateException("broken");
          });
      // More often than there are places for requests.
      for (int i = 0; i < 20; i++) {
        assertThat(get(telemetry, "/metrics/broken", "*/*").statusCode()).isEqualTo(500);
      }
      assertThat(get(telemetry, "/metrics", "*/*").statusCode()).isEqualTo(200);
    }
  }

  @Test
  void shouldSayWhatToDoWhenThePortIsInUse() {
    try (Telemetry first = Telemetry.shown(LOOPBACK, 0, Tracing.off())) {
      String address = first.address(LOOPBACK);
      int port = Integer.parseInt(address.substring(address.indexOf(':') + 1));
      assertThatThrownBy(() -> Telemetry.shown(LOOPBACK, port, Tracing.off()))
          .isInstanceOfSatisfying(
              LongtakeException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.PORT_IN_USE))
          .hasMessageContaining("port " + port)
          .hasMessageContaining("--metrics-port");
    }
    assertThatThrownBy(() -> Telemetry.shown("no host of ours.invalid", 0, Tracing.off()))
        .isInstanceOf(LongtakeException.class)
        .hasMessageContaining("--metrics-host");
  }

  @Test
  void shouldBeCalledByAnotherNameWhenItListensEverywhere() {
    try (Telemetry everywhere = Telemetry.shown("0.0.0.0", 0, Tracing.off());
        Telemetry loopback = Telemetry.shown(LOOPBACK, 0, Tracing.off())) {
      assertThat(everywhere.address("node1")).matches("node1:\\d+");
      assertThat(everywhere.address("fe80::1")).matches("\\[fe80::1]:\\d+");
      assertThat(loopback.address("node1")).matches("127\\.0\\.0\\.1:\\d+");
    }
    try (Telemetry hidden = Telemetry.hidden()) {
      assertThat(hidden.address("node1")).isEmpty();
    }
  }
}
