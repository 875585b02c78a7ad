package dev.longtake.coordinator.web.http;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * One thing that can be asked for.
 *
 * @param method of HTTP; GET stands for HEAD, too
 * @param pattern of the path, for example <code>/api/jobs/{id}/video</code>
 */
public record Route(String method, String pattern, Handling handling) {
  /** Answers a request; what it throws becomes the answer, unless one has begun. */
  public interface Handling {
    /** Answers, by the thread that calls. */
    void handle(Exchange exchange) throws Exception;
  }

  /** What the path holds in the pattern's places; empty when it is another path. */
  Optional<Map<String, String>> match(String path) {
    List<String> wanted = segments(pattern);
    List<String> given = segments(path);
    if (wanted.size() != given.size()) {
      return Optional.empty();
    }
    Map<String, String> variables = new HashMap<>();
    for (int i = 0; i < wanted.size(); i++) {
      String name = variable(wanted.get(i));
      if (name != null) {
        variables.put(name, given.get(i));
      } else if (!wanted.get(i).equals(given.get(i))) {
        return Optional.empty();
      }
    }
    return Optional.of(variables);
  }

  boolean takes(String asked) {
    return method.equals(asked) || (method.equals("GET") && asked.equals("HEAD"));
  }

  private static @Nullable String variable(String segment) {
    return segment.startsWith("{") ? segment.substring(1, segment.length() - 1) : null;
  }

  private static List<String> segments(String path) {
    List<String> segments = new ArrayList<>();
    int start = 0;
    for (int slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', start)) {
      segments.add(path.substring(start, slash));
      start = slash + 1;
    }
    segments.add(path.substring(start));
    return segments;
  }
}
