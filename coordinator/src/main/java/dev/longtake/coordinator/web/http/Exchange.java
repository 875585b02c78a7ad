package dev.longtake.coordinator.web.http;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.error.Quoted;
import io.grpc.Status;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.eclipse.jetty.http.HttpFields;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.io.Content;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.util.Fields;

/** One request and its answer, for the thread that handles it: reading and writing wait for the client. */
public final class Exchange {
  /** How fast a body must come on average once it takes longer than the idle time. */
  private static final int SLOWEST_BYTES_PER_SECOND = 16 << 10;

  private static final int BUFFER_BYTES = 16 << 10;

  private final Request request;
  private final Response response;
  private final Map<String, String> variables;
  private final HttpLimits limits;

  Exchange(Request request, Response response, Map<String, String> variables, HttpLimits limits) {
    this.request = request;
    this.response = response;
    this.variables = Map.copyOf(variables);
    this.limits = limits;
  }

  /** Whether the answer's headers alone are asked for. */
  public boolean isHead() {
    return request.getMethod().equals("HEAD");
  }

  public String path() {
    return request.getHttpURI().getDecodedPath();
  }

  /** What the path holds in a place of the route's pattern. */
  public String variable(String name) {
    return Objects.requireNonNull(variables.get(name), name);
  }

  /** A header of the request. */
  public Optional<String> header(HttpHeader name) {
    return Optional.ofNullable(request.getHeaders().get(name));
  }

  /** A header of the request that HTTP itself does not know. */
  public Optional<String> header(String name) {
    return Optional.ofNullable(request.getHeaders().get(name));
  }

  /** The media type of the request's body without parameters, in small letters; empty when it has none. */
  public String bodyType() {
    String type = header(HttpHeader.CONTENT_TYPE).orElse("");
    int end = type.indexOf(';');
    return (end < 0 ? type : type.substring(0, end)).strip().toLowerCase(Locale.ROOT);
  }

  /**
   * The parameters behind the path.
   *
   * @throws LongtakeException INVALID_REQUEST when they are no UTF-8
   */
  public Fields query() {
    try {
      return Request.extractQueryParameters(request, StandardCharsets.UTF_8);
    } catch (RuntimeException e) {
      throw LongtakeException.invalidField(
          "query",
          "Expected parameters as NAME=VALUE&..., percent-encoded UTF-8, but got %s"
              .formatted(Quoted.of(String.valueOf(request.getHttpURI().getQuery()))));
    }
  }

  public HttpLimits limits() {
    return limits;
  }

  /**
   * The whole body of the request.
   *
   * @throws ApiException when it is too long, or comes too slowly
   */
  public byte[] body() throws IOException {
    if (request.getLength() > limits.bodyBytes()) {
      throw tooLong();
    }
    long startNanos = System.nanoTime();
    ByteArrayOutputStream body = new ByteArrayOutputStream();
    byte[] buffer = new byte[BUFFER_BYTES];
    try (InputStream in = Content.Source.asInputStream(request)) {
      for (int read = in.read(buffer); read >= 0; read = in.read(buffer)) {
        if (body.size() + read > limits.bodyBytes()) {
          throw tooLong();
        }
        body.write(buffer, 0, read);
        requireFast(body.size(), System.nanoTime() - startNanos);
      }
    }
    return body.toByteArray();
  }

  private void requireFast(int bytes, long nanos) {
    long patienceNanos =
        limits.idleTime().toNanos() + bytes * 1_000_000_000L / SLOWEST_BYTES_PER_SECOND;
    if (nanos > patienceNanos) {
      throw new ApiException(
          408,
          Status.Code.DEADLINE_EXCEEDED,
          "TIMED_OUT",
          "Expected a body of %d KiB a second and more, but got %d bytes in %d ms"
              .formatted(SLOWEST_BYTES_PER_SECOND >> 10, bytes, nanos / 1_000_000));
    }
  }

  private ApiException tooLong() {
    return new ApiException(
        413,
        Status.Code.INVALID_ARGUMENT,
        "INVALID_REQUEST",
        "Expected a body of at most %d bytes, but it is longer".formatted(limits.bodyBytes()));
  }

  /** The answer's headers, until the answer begins. */
  public HttpFields.Mutable answerHeaders() {
    return response.getHeaders();
  }

  /** Answers with headers alone. */
  public void answer(int status) throws IOException {
    response.setStatus(status);
    Content.Sink.write(response, /* last= */ true, ByteBuffer.allocate(0));
  }

  /** Answers at once. */
  public void answer(int status, String type, byte[] body) throws IOException {
    response.setStatus(status);
    response.getHeaders().put(HttpHeader.CONTENT_TYPE, type);
    response.getHeaders().put(HttpHeader.CONTENT_LENGTH, body.length);
    Content.Sink.write(response, /* last= */ true, ByteBuffer.wrap(body));
  }

  /** Answers with JSON. */
  public void answer(int status, JsonElement json) throws IOException {
    answer(status, "application/json", json.toString().getBytes(StandardCharsets.UTF_8));
  }

  /** Begins an answer that is written bit by bit; each write leaves at once, and waits until the client takes it. */
  public OutputStream begin(int status, String type) throws IOException {
    response.setStatus(status);
    response.getHeaders().put(HttpHeader.CONTENT_TYPE, type);
    Content.Sink.write(response, /* last= */ false, ByteBuffer.allocate(0));
    return Content.Sink.asOutputStream(response);
  }

  boolean hasBegun() {
    return response.isCommitted();
  }

  void answer(ApiError error, JsonObject body) throws IOException {
    answer(error.httpStatus(), body);
  }
}
