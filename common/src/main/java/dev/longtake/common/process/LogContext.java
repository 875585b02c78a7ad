package dev.longtake.common.process;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What the records of a thread are about, for {@link JsonLogFormatter}. Unlike SLF4J's, it is not inherited by threads that are started within:
 * those of pools would keep it for ever.
 */
public final class LogContext implements AutoCloseable {
  private static final ThreadLocal<Map<String, String>> FIELDS = ThreadLocal.withInitial(Map::of);

  private final Map<String, String> before;

  private LogContext(String name, String value) {
    before = FIELDS.get();
    Map<String, String> fields = new LinkedHashMap<>(before);
    fields.put(name, value);
    FIELDS.set(fields);
  }

  /** Until it is closed, by the same thread, records are about a job. */
  public static LogContext job(String jobId) {
    return new LogContext("job", jobId);
  }

  /** Until it is closed, by the same thread, records are about an attempt of the job that this is within. */
  public static LogContext attempt(long attempt) {
    return new LogContext("attempt", Long.toString(attempt));
  }

  static Map<String, String> fields() {
    return FIELDS.get();
  }

  @Override
  public void close() {
    FIELDS.set(before);
  }
}
