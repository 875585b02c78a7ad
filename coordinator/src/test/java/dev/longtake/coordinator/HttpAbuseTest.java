package dev.longtake.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.metrics.Metric;
import dev.longtake.coordinator.HttpApi.Answer;
import dev.longtake.coordinator.access.Access;
import dev.longtake.coordinator.web.http.HttpLimits;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Clients that are slow, rude or others' pages, and what they leave behind: nothing. */
final class HttpAbuseTest {
  private static final Duration SHORT = Duration.ofMillis(300);
  private static final Duration LONG = Duration.ofMinutes(5);
  private static final String POST =
      """
      POST /api/Generation/List HTTP/1.1\r
      Host: localhost\r
      Content-Type: application/json\r
      """;

  private static final String WATCH =
      "GET /api/Generation/Watch?jobId=%s HTTP/1.1\r\nHost: localhost\r\n\r\n";

  @TempDir Path folder;
  private @Nullable TestCluster cluster;

  private String start(Duration headTime, Duration idleTime) {
    cluster =
        TestCluster.withHttp(
            folder.resolve("data"),
            Access.open(),
            new HttpLimits(
                /* bodyBytes= */ 1000,
                /* headerBytes= */ 4096,
                /* connections= */ 64,
                /* requestsPerAddress= */ 2,
                headTime,
                idleTime,
                /* keepAlive= */ Duration.ofMillis(20)));
    return cluster().coordinator.httpUrl();
  }

  @AfterEach
  void stop() {
    cluster().close();
  }

  private TestCluster cluster() {
    return Objects.requireNonNull(cluster);
  }

  private String heldJob() throws Exception {
    FakeWorker worker = cluster().worker("w0", FakeWorker.card());
    worker.behaviour = FakeWorker.Behaviour.HOLD;
    cluster().joined(worker);
    return cluster().submit().getId();
  }

  private static void await(String what, BooleanSupplier wanted) {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
    while (!wanted.getAsBoolean()) {
      assertThat(System.nanoTime()).as(what).isLessThan(deadline);
      Thread.onSpinWait();
    }
  }

  private void awaitNothingOpen() {
    await("no request is open", () -> cluster().gauge(Metric.HTTP_REQUESTS_OPEN) == 0);
    await("no connection is open", () -> cluster().gauge(Metric.HTTP_CONNECTIONS) == 0);
    await("nobody watches", () -> cluster().gauge(Metric.EVENT_WATCHERS) == 0);
  }

  private void requireServed(String url) throws Exception {
    try (Wire other = new Wire(url)) {
      assertThat(
              other
                  .send("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                  .readToEnd())
          .startsWith("HTTP/1.1 200");
    }
  }

  @Test
  void shouldCutOffWhoSendsAHeadByteByByte() throws Exception {
    String url = start(SHORT, LONG);
    try (Wire slow = new Wire(url)) {
      slow.send("GET /healthz HTTP/1.1\r\nX: ");
      requireServed(url);

      assertThat(slow.dripUntilClosed('x', 10)).isEmpty();
    }
    awaitNothingOpen();
  }

  @Test
  void shouldCutOffWhoSendsABodyByteByByte() throws Exception {
    String url = start(LONG, SHORT);
    try (Wire slow = new Wire(url)) {
      slow.send(POST + "Content-Length: 900\r\n\r\n");
      requireServed(url);

      assertThat(slow.dripUntilClosed(' ', 10)).startsWith("HTTP/1.1 408");
    }
    awaitNothingOpen();
  }

  @Test
  void shouldDropWhoNeverReads() throws Exception {
    String url = start(LONG, SHORT);
    try (Wire deaf = new Wire(url)) {
      // Answers of many MB, more than the system keeps for somebody who does not read.
      deaf.send("GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(2000));

      awaitNothingOpen();
    }
    requireServed(url);
  }

  @Test
  void shouldAnswerWhoSaysThatNothingFollows() throws Exception {
    String url = start(LONG, LONG);
    String job = heldJob();
    try (Wire half = new Wire(url);
        Wire watching = new Wire(url)) {
      half.send(
          "GET /api/Generation/List HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
      assertThat(half.endSending().readToEnd()).startsWith("HTTP/1.1 200").contains(job);
      watching.send(WATCH.formatted(job)).endSending();
      watching.readUntil(": still here");
    }
    awaitNothingOpen();
  }

  @Test
  void shouldForgetWatchersThatHangUp() throws Exception {
    String url = start(LONG, LONG);
    String job = heldJob();
    try (Wire watching = new Wire(url)) {
      watching.send(WATCH.formatted(job)).readUntil("stepDone");
      assertThat(cluster().gauge(Metric.EVENT_WATCHERS)).isEqualTo(1);
    }
    awaitNothingOpen();
  }

  @Test
  void shouldLetNoAddressHaveMoreRequestsThanItMay() throws Exception {
    String url = start(LONG, LONG);
    String job = heldJob();
    String list = "GET /v1/videos HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    try (Wire first = new Wire(url)) {
      try (Wire second = new Wire(url);
          Wire third = new Wire(url)) {
        first.send(WATCH.formatted(job)).readUntil("stepDone");
        second.send(WATCH.formatted(job)).readUntil("stepDone");

        assertThat(third.send(list).readToEnd())
            .startsWith("HTTP/1.1 429")
            .contains("at most 2 requests of one address");
      }
      await("the second one is forgotten", () -> cluster().gauge(Metric.HTTP_REQUESTS_OPEN) == 1);
      try (Wire again = new Wire(url)) {
        assertThat(again.send(list).readToEnd()).startsWith("HTTP/1.1 200");
      }
    }
    awaitNothingOpen();
  }

  @Test
  void shouldRefuseWhatIsTooLargeOrNoHttp() throws Exception {
    String url = start(LONG, LONG);
    String[][] wrong = {
      {POST + "Content-Length: 1001\r\n\r\n", "413"},
      {
        POST + "Transfer-Encoding: chunked\r\n\r\n400\r\n" + " ".repeat(1024) + "\r\n0\r\n\r\n",
        "413"
      },
      {"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + "x".repeat(5000) + "\r\n\r\n", "431"},
      {"GET /" + "x".repeat(5000) + " HTTP/1.1\r\nHost: localhost\r\n\r\n", "414"},
      {"GET / HTTP/1.1\r\n\r\n", "400"},
      {"hello\r\n\r\n", "400"},
      {"GET / HTTP/9.9\r\n\r\n", "505"},
      {POST + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", "400"},
      {POST + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
    };

    for (String[] one : wrong) {
      try (Wire client = new Wire(url)) {
        assertThat(client.send(one[0]).endSending().readToEnd())
            .as(one[0].substring(0, Math.min(90, one[0].length())))
            .startsWith("HTTP/1.1 " + one[1]);
      }
    }
    requireServed(url);
    awaitNothingOpen();
  }

  @Test
  void shouldServeNothingBesideThePage() throws Exception {
    String url = start(LONG, LONG);

    for (String path :
        List.of(
            "/../page/index.html",
            "/%2e%2e/WebServer.class",
            "/..%2fWebServer.class",
            "//etc/passwd",
            "/page/index.html",
            "/index.html/../../WebServer.class",
            "/index.html%00",
            "/WebServer.class",
            "/.",
            "/..")) {
      try (Wire client = new Wire(url)) {
        assertThat(
                client
                    .send(
                        "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
                            .formatted(path))
                    .readToEnd())
            .as(path)
            .matches("(?s)HTTP/1.1 (400|404) .*");
      }
    }
  }

  @Test
  void shouldServeThePageAndLetItBeCached() {
    try (HttpApi http = new HttpApi(start(LONG, LONG))) {
      Answer page = http.get("/");

      assertThat(page.text()).contains("<title>Longtake</title>");
      assertThat(page.header("content-type")).isEqualTo("text/html; charset=utf-8");
      assertThat(page.header("content-security-policy")).startsWith("default-src 'self'");
      assertThat(page.header("x-content-type-options")).isEqualTo("nosniff");
      assertThat(http.get("/index.html", "If-None-Match", page.header("etag")).status())
          .isEqualTo(304);
    }
  }

  private static String from(String url, String method, String host, String origin)
      throws Exception {
    try (Wire page = new Wire(url)) {
      return page.send(
              "%s /api/Generation/List HTTP/1.1\r\nHost: %s\r\nOrigin: %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                  .formatted(method, host, origin))
          .readToEnd();
    }
  }

  @Test
  void shouldNotBeDrivenByPagesOfOthers() throws Exception {
    String url = start(LONG, LONG);
    String own = url.substring("http://".length(), url.length() - 1);
    String port = own.substring(own.indexOf(':'));

    assertThat(from(url, "POST", own, "http://" + own)).startsWith("HTTP/1.1 200");
    assertThat(from(url, "POST", "LOCALHOST" + port, "http://localhost" + port))
        .startsWith("HTTP/1.1 200");
    assertThat(from(url, "POST", own, "http://evil.example")).startsWith("HTTP/1.1 403");
    assertThat(from(url, "POST", own, "http://127.0.0.1:1")).startsWith("HTTP/1.1 403");
    assertThat(from(url, "POST", own, "null")).startsWith("HTTP/1.1 403");
    assertThat(from(url, "POST", "evil.example" + port, "http://evil.example" + port))
        .as("a name that somebody pointed here")
        .startsWith("HTTP/1.1 403")
        .contains("\"reason\":\"PERMISSION_DENIED\"");
    assertThat(from(url, "GET", "evil.example" + port, "x")).startsWith("HTTP/1.1 403");
    assertThat(from(url, "GET", own, "http://evil.example"))
        .startsWith("HTTP/1.1 200")
        .doesNotContainIgnoringCase("Access-Control-Allow");
    assertThat(from(url, "OPTIONS", own, "http://" + own))
        .startsWith("HTTP/1.1 405")
        .doesNotContainIgnoringCase("Access-Control-Allow");
  }

  @Test
  void shouldRefuseBodiesThatPagesCanSendWithoutAsking() {
    try (HttpApi http = new HttpApi(start(LONG, LONG))) {
      Answer answer =
          http.send(
              http.request("/api/Generation/List")
                  .header("Content-Type", "text/plain")
                  .POST(BodyPublishers.ofString("{}")));

      assertThat(answer.status()).isEqualTo(415);
      assertThat(answer.error().get("message").getAsString())
          .contains("application/json", "\"text/plain\"");
    }
  }
}
