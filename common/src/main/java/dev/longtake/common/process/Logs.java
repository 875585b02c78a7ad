package dev.longtake.common.process;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.logging.Level;
import java.util.logging.LogManager;
import java.util.regex.Pattern;

/**
 * How a Longtake process logs: {@code java.util.logging}, which gRPC and Netty use by themselves, on standard error, one line
 * a record. A file or class that the user names with a {@code java.util.logging.config} property wins. Thread-safe.
 */
public final class Logs {
  /** Date, time, level: the format below, in the language of this machine. */
  private static final Pattern INFO_LINE =
      Pattern.compile("\\S+ \\S+ " + Pattern.quote(Level.INFO.getLocalizedName()) + " .*");

  /** The same of {@link JsonLogFormatter}. */
  private static final Pattern INFO_OBJECT =
      Pattern.compile("\\{\"time\":\"[^\"]*\",\"level\":\"INFO\",.*");

  /**
   * A connection that ends is news for whoever called, and they say so; gRPC's own account of it is noise. So is what DJL
   * says about GPUs, as it only makes tokens here, and how Flyway finds that tables are as they should be.
   */
  private static final String CONFIGURATION =
      """
      handlers=java.util.logging.ConsoleHandler
      java.util.logging.SimpleFormatter.format=%1$tF %1$tT %4$s %3$s: %5$s%6$s%n
      .level=INFO
      io.grpc.level=WARNING
      io.netty.level=WARNING
      ai.djl.level=SEVERE
      org.eclipse.jetty.level=WARNING
      org.flywaydb.level=WARNING
      """;

  private static volatile Map<String, String> identity = Map.of();

  private Logs() {}

  /** What this process is, in every line of the log that has fields: {@code "worker"} and its id. */
  public static void identify(String role, String id) {
    identity = Map.of(role, id);
  }

  static Map<String, String> identity() {
    return identity;
  }

  /** Whether {@code line} was logged, with this configuration, as what goes on and not as what went wrong. */
  static boolean isInfo(String line) {
    return INFO_LINE.matcher(line).matches() || INFO_OBJECT.matcher(line).matches();
  }

  /** Sets logging up, as text without prompts; to be called first in {@code main}. */
  public static void configure() {
    configure(LogOptions.Format.text, /* logsPrompts= */ false);
  }

  static void configure(LogOptions.Format format, boolean logsPrompts) {
    if (System.getProperty("java.util.logging.config.file") != null
        || System.getProperty("java.util.logging.config.class") != null) {
      return;
    }
    try {
      LogManager.getLogManager()
          .readConfiguration(
              new ByteArrayInputStream(
                  configuration(format, logsPrompts).getBytes(StandardCharsets.UTF_8)));
    } catch (IOException e) {
      throw new UncheckedIOException("Reading from memory does not fail", e);
    }
  }

  private static String configuration(LogOptions.Format format, boolean logsPrompts) {
    String formatter =
        switch (format) {
          case text -> "java.util.logging.SimpleFormatter";
          case json -> JsonLogFormatter.class.getName();
        };
    return CONFIGURATION
        + "java.util.logging.ConsoleHandler.formatter=%s%n".formatted(formatter)
        + "%s.level=%s%n".formatted(PromptLog.NAME, logsPrompts ? "INFO" : "OFF");
  }
}
