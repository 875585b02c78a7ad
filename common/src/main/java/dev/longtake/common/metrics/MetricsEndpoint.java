package dev.longtake.common.metrics;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import io.prometheus.metrics.expositionformats.ExpositionFormatWriter;
import io.prometheus.metrics.expositionformats.ExpositionFormats;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The HTTP server of a process's meters: {@code /metrics} in the text format of Prometheus or in OpenMetrics, as is asked for. A bounded number
 * of requests is answered at once, by virtual threads; slow ones are cut off. Plain HTTP without authentication. Thread-safe.
 */
final class MetricsEndpoint implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(MetricsEndpoint.class);

  /** A few Prometheus servers, and somebody who looks. */
  private static final int REQUESTS_AT_ONCE = 8;

  private static final int BACKLOG = 16;

  /** Of a request, where nobody asked for a body. */
  private static final int MAX_BODY_BYTES = 2 << 20;

  static {
    // The server of the JDK has its limits here only, in seconds. Who sets others has a reason.
    setUnlessSet("sun.net.httpserver.maxReqTime", "10");
    setUnlessSet("sun.net.httpserver.maxRspTime", "30");
    setUnlessSet("sun.net.httpserver.idleInterval", "60");
    setUnlessSet("jdk.httpserver.maxConnections", "64");
  }

  private final HttpServer server;
  private final ExecutorService threads =
      Executors.newThreadPerTaskExecutor(Thread.ofVirtual().name("metrics-", 0).factory());
  private final Semaphore requests = new Semaphore(REQUESTS_AT_ONCE);
  private final PrometheusRegistry meters;
  private final ExpositionFormats formats = ExpositionFormats.init();
  private final List<Runnable> refreshers = new CopyOnWriteArrayList<>();

  private MetricsEndpoint(HttpServer server, PrometheusRegistry meters) {
    this.server = server;
    this.meters = meters;
  }

  private static void setUnlessSet(String property, String value) {
    if (System.getProperty(property) == null) {
      System.setProperty(property, value);
    }
  }

  /**
   * Begins to serve.
   *
   * @param port 0 for any free one
   * @throws LongtakeException PORT_IN_USE
   */
  static MetricsEndpoint start(String host, int port, PrometheusRegistry meters) {
    try {
      HttpServer server = HttpServer.create(new InetSocketAddress(host, port), BACKLOG);
      MetricsEndpoint endpoint = new MetricsEndpoint(server, meters);
      server.setExecutor(endpoint.threads);
      server.createContext(
          "/", exchange -> respond(exchange, 404, "text/plain", "See /metrics.\n"));
      server.createContext("/metrics", endpoint::answerMeters);
      server.start();
      return endpoint;
    } catch (IOException e) {
      throw new LongtakeException(
          ErrorCode.PORT_IN_USE,
          "Expected port %d of %s to be free for metrics, but another process listens there or the address is not this host's (%s); choose others with --metrics-port (0 for any free one) and --metrics-host"
              .formatted(port, host, e.getMessage()),
          e);
    }
  }

  /** Called before each scrape, by its thread, so that what comes and goes is up to date. */
  void beforeScrape(Runnable refresher) {
    refreshers.add(refresher);
  }

  /** Serves another page below {@code /metrics}. */
  void page(String path, String contentType, Supplier<String> content) {
    server.createContext(
        path,
        exchange ->
            answer(exchange, path, () -> respond(exchange, 200, contentType, content.get())));
  }

  /** The port it listens on. */
  int port() {
    return server.getAddress().getPort();
  }

  /** Whether it listens on all interfaces, so that its host is no name to call it by. */
  static boolean isWildcard(String host) {
    try {
      return InetAddress.getByName(host).isAnyLocalAddress();
    } catch (IOException e) {
      return false;
    }
  }

  private void answerMeters(HttpExchange exchange) throws IOException {
    answer(
        exchange,
        "/metrics",
        () -> {
          refreshers.forEach(Runnable::run);
          ExpositionFormatWriter writer =
              formats.findWriter(exchange.getRequestHeaders().getFirst("Accept"));
          ByteArrayOutputStream body = new ByteArrayOutputStream();
          writer.write(body, meters.scrape());
          respond(exchange, 200, writer.getContentType(), body.toByteArray());
        });
  }

  private interface Response {
    void send() throws IOException;
  }

  private void answer(HttpExchange exchange, String path, Response response) throws IOException {
    if (!exchange.getRequestURI().getPath().equals(path)) {
      respond(exchange, 404, "text/plain", "Nothing is here; see /metrics.\n");
      return;
    }
    if (!exchange.getRequestMethod().equals("GET")) {
      respond(exchange, 405, "text/plain", "Expected GET.\n");
      return;
    }
    if (!requests.tryAcquire()) {
      respond(exchange, 503, "text/plain", "Too many requests at once; come again later.\n");
      return;
    }
    try {
      response.send();
    } catch (RuntimeException e) {
      LOG.error("{} can't be shown", path, e);
      respond(exchange, 500, "text/plain", "Internal error; see the log of this process.\n");
    } finally {
      exchange.close();
      requests.release();
    }
  }

  private static void respond(HttpExchange exchange, int status, String type, String body)
      throws IOException {
    respond(exchange, status, type, body.getBytes(StandardCharsets.UTF_8));
  }

  private static void respond(HttpExchange exchange, int status, String type, byte[] body)
      throws IOException {
    try (exchange) {
      skipBody(exchange.getRequestBody());
      exchange.getResponseHeaders().set("Content-Type", type);
      exchange.sendResponseHeaders(status, body.length);
      exchange.getResponseBody().write(body);
    }
  }

  /** A connection with something unread is reset when it is closed, often before the client has read the answer. */
  private static void skipBody(InputStream body) throws IOException {
    byte[] part = new byte[1 << 13];
    int sum = 0;
    for (int count = 0; count >= 0 && sum < MAX_BODY_BYTES; sum += count) {
      count = body.read(part);
    }
  }

  /** Cuts off what is under way. */
  @Override
  public void close() {
    server.stop(0);
    threads.shutdownNow();
  }
}
