package dev.longtake.ops.testing;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest;
import io.opentelemetry.proto.trace.v1.ResourceSpans;
import io.opentelemetry.proto.trace.v1.ScopeSpans;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.zip.GZIPInputStream;

/** A collector that keeps the spans that it is sent by OpenTelemetry's protocol over HTTP. Thread-safe. */
public final class SpanCollector implements AutoCloseable {
  private final HttpServer server;
  private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
  private final List<CollectedSpan> spans = new ArrayList<>(); // guarded by itself

  /** On loopback, on a port of its own. */
  public SpanCollector() {
    try {
      server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    server.setExecutor(threads);
    server.createContext("/v1/traces", this::take);
    server.start();
  }

  private void take(HttpExchange exchange) throws IOException {
    boolean isZipped = "gzip".equals(exchange.getRequestHeaders().getFirst("Content-Encoding"));
    try (exchange;
        InputStream body =
            isZipped ? new GZIPInputStream(exchange.getRequestBody()) : exchange.getRequestBody()) {
      add(ExportTraceServiceRequest.parseFrom(body));
      exchange.getResponseHeaders().set("Content-Type", "application/x-protobuf");
      exchange.sendResponseHeaders(200, -1);
    }
  }

  private void add(ExportTraceServiceRequest request) {
    synchronized (spans) {
      for (ResourceSpans resource : request.getResourceSpansList()) {
        for (ScopeSpans scope : resource.getScopeSpansList()) {
          scope
              .getSpansList()
              .forEach(span -> spans.add(CollectedSpan.of(resource.getResource(), span)));
        }
      }
    }
  }

  /** For {@code --otlp-endpoint}. */
  public String endpoint() {
    InetSocketAddress address = server.getAddress();
    return "http://%s:%d".formatted(address.getAddress().getHostAddress(), address.getPort());
  }

  /** What has come so far. */
  public List<CollectedSpan> spans() {
    synchronized (spans) {
      return List.copyOf(spans);
    }
  }

  @Override
  public void close() {
    server.stop(0);
    threads.close();
  }
}
