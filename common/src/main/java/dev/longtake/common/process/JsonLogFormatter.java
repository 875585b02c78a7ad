package dev.longtake.common.process;

import com.google.gson.JsonObject;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.time.format.DateTimeFormatter;
import java.util.logging.Formatter;
import java.util.logging.LogRecord;

/**
 * A JSON object a line: {@code time} (UTC), {@code level}, {@code logger}, {@code message}, where they are known {@code worker}, {@code job} and
 * {@code attempt}, and {@code error} with the stack of what was thrown. For java.util.logging, which makes it by its name.
 */
public final class JsonLogFormatter extends Formatter {
  @Override
  public String format(LogRecord record) {
    JsonObject line = new JsonObject();
    line.addProperty("time", DateTimeFormatter.ISO_INSTANT.format(record.getInstant()));
    line.addProperty("level", record.getLevel().getName());
    line.addProperty("logger", record.getLoggerName());
    line.addProperty("message", formatMessage(record));
    Logs.identity().forEach(line::addProperty);
    LogContext.fields().forEach(line::addProperty);
    if (record.getThrown() != null) {
      StringWriter stack = new StringWriter();
      record.getThrown().printStackTrace(new PrintWriter(stack));
      line.addProperty("error", stack.toString());
    }
    return line + System.lineSeparator();
  }
}
