package dev.longtake.coordinator.web;

import dev.longtake.common.digest.Sha256;
import dev.longtake.coordinator.web.http.ApiException;
import dev.longtake.coordinator.web.http.Exchange;
import dev.longtake.coordinator.web.http.Route;
import io.grpc.Status;
import java.io.IOException;
import java.io.InputStream;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.eclipse.jetty.http.HttpHeader;

/** The page that people open: the resources in {@code web/page}, each by its name, {@code index.html} at {@code /}. */
final class Page {
  private static final Map<String, String> TYPES =
      Map.of(
          "html", "text/html; charset=utf-8",
          "js", "text/javascript; charset=utf-8",
          "css", "text/css; charset=utf-8",
          "svg", "image/svg+xml",
          "png", "image/png",
          "ico", "image/x-icon");

  /** No folders and no dots but the one before the ending, so that nothing outside can be named. */
  private static final Pattern NAME = Pattern.compile("/([A-Za-z0-9_-]+)\\.([a-z0-9]+)");

  private Page() {}

  static Route route() {
    return new Route("GET", "/{name}", Page::answer);
  }

  private static void answer(Exchange exchange) throws IOException {
    String path = exchange.path().equals("/") ? "/index.html" : exchange.path();
    Matcher name = NAME.matcher(path);
    String type = name.matches() ? TYPES.get(name.group(2)) : null;
    byte[] content = type == null ? null : read("page" + path);
    if (type == null || content == null) {
      throw new ApiException(
          404,
          Status.Code.NOT_FOUND,
          "NO_SUCH_PATH",
          "Nothing is here; / is the page, and /openapi.json lists what programs can call");
    }
    String tag = "\"" + Sha256.hex(content) + "\"";
    exchange.answerHeaders().put(HttpHeader.CACHE_CONTROL, "no-cache");
    exchange.answerHeaders().put(HttpHeader.ETAG, tag);
    if (exchange.header(HttpHeader.IF_NONE_MATCH).equals(Optional.of(tag))) {
      exchange.answer(304);
    } else {
      exchange.answer(200, type, content);
    }
  }

  private static byte @org.jspecify.annotations.Nullable [] read(String resource)
      throws IOException {
    try (InputStream in = Page.class.getResourceAsStream(resource)) {
      return in == null ? null : in.readAllBytes();
    }
  }
}
