package dev.longtake.common.process;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.time.Instant;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import org.junit.jupiter.api.Test;

class LogsTest {
  private static LogRecord record(Level level, String message) {
    LogRecord record = new LogRecord(level, message);
    record.setInstant(Instant.parse("2026-01-02T03:04:05.678Z"));
    record.setLoggerName("dev.longtake.Some");
    return record;
  }

  @Test
  void shouldBeAnObjectALineWithWhatItIsAbout() {
    LogRecord record = record(Level.WARNING, "\"quoted\"\nand {0} lines");
    record.setParameters(new Object[] {2});
    record.setThrown(new IllegalStateException("why"));
    String line;
    try (var _ = LogContext.job("j1");
        var _ = LogContext.attempt(3)) {
      line = new JsonLogFormatter().format(record);
    }

    assertThat(line.stripTrailing()).hasLineCount(1).endsWith("}");
    JsonObject fields = JsonParser.parseString(line).getAsJsonObject();
    assertThat(fields.get("time").getAsString()).isEqualTo("2026-01-02T03:04:05.678Z");
    assertThat(fields.get("level").getAsString()).isEqualTo("WARNING");
    assertThat(fields.get("logger").getAsString()).isEqualTo("dev.longtake.Some");
    assertThat(fields.get("message").getAsString()).isEqualTo("\"quoted\"\nand 2 lines");
    assertThat(fields.get("job").getAsString()).isEqualTo("j1");
    assertThat(fields.get("attempt").getAsString()).isEqualTo("3");
    assertThat(fields.get("error").getAsString())
        .startsWith("java.lang.IllegalStateException: why")
        .contains("LogsTest");
  }

  @Test
  void shouldSayNothingOfAJobWhenThereIsNone() {
    try (var _ = LogContext.job("j1")) {
      new JsonLogFormatter().format(record(Level.INFO, "before"));
    }
    String line = new JsonLogFormatter().format(record(Level.INFO, "after"));
    assertThat(JsonParser.parseString(line).getAsJsonObject().keySet())
        .containsExactly("time", "level", "logger", "message");
  }

  @Test
  void shouldNotBeAboutTheSameInThreadsThatAreStartedWithin() throws Exception {
    var fields = new AtomicReference<Map<String, String>>();
    try (var _ = LogContext.job("j1")) {
      Thread pooled = Thread.ofPlatform().start(() -> fields.set(LogContext.fields()));
      pooled.join();
      assertThat(LogContext.fields()).containsOnlyKeys("job");
    }
    assertThat(fields.get()).isEmpty();
    assertThat(LogContext.fields()).isEmpty();
  }

  @Test
  void shouldKnowNewsFromTroubleInBothFormats() {
    JsonLogFormatter formatter = new JsonLogFormatter();
    assertThat(Logs.isInfo(formatter.format(record(Level.INFO, "fine")).strip())).isTrue();
    assertThat(Logs.isInfo(formatter.format(record(Level.SEVERE, "level INFO")).strip())).isFalse();
    assertThat(Logs.isInfo("2026-01-02 03:04:05 INFO dev.longtake.Some: fine")).isTrue();
    assertThat(Logs.isInfo("2026-01-02 03:04:05 WARNING dev.longtake.Some: not")).isFalse();
  }
}
