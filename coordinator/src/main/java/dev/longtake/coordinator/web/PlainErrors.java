package dev.longtake.coordinator.web;

import dev.longtake.common.error.Quoted;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.eclipse.jetty.http.HttpFields;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.http.HttpStatus;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.server.handler.ErrorHandler;
import org.eclipse.jetty.util.Callback;
import org.jspecify.annotations.Nullable;

/** What the server itself refuses, before there is a request to route: bad lines and headers, too many of them. */
final class PlainErrors extends ErrorHandler {
  @Override
  protected void generateResponse(
      Request request,
      Response response,
      int code,
      @Nullable String message,
      @Nullable Throwable cause,
      Callback callback)
      throws IOException {
    response.setStatus(code);
    response.write(/* last= */ true, body(code, message, response.getHeaders()), callback);
  }

  private static ByteBuffer body(int status, @Nullable String reason, HttpFields.Mutable fields) {
    fields.put(HttpHeader.CONTENT_TYPE, "text/plain; charset=utf-8");
    String said = reason == null ? HttpStatus.getMessage(status) : reason;
    return ByteBuffer.wrap(
        "HTTP %d: %s%n".formatted(status, Quoted.line(said)).getBytes(StandardCharsets.UTF_8));
  }
}
