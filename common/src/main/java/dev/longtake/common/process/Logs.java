package dev.longtake.common.process;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.logging.Level;
import java.util.logging.LogManager;
import java.util.regex.Pattern;

/**
 * How a Longtake process logs: {@code java.util.logging}, which gRPC and Netty use by themselves, on standard error, one line
 * a record. A file or class that the user names with a {@code java.util.logging.config} property wins.
 */
public final class Logs {
  /** Date, time, level: the format below, in the language of this machine. */
  private static final Pattern INFO_LINE =
      Pattern.compile("\\S+ \\S+ " + Pattern.quote(Level.INFO.getLocalizedName()) + " .*");

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

  private Logs() {}

  /** Whether {@code line} was logged, with this configuration, as what goes on and not as what went wrong. */
  static boolean isInfo(String line) {
    return INFO_LINE.matcher(line).matches();
  }

  /** Sets logging up; to be called first in {@code main}. */
  public static void configure() {
    if (System.getProperty("java.util.logging.config.file") != null
        || System.getProperty("java.util.logging.config.class") != null) {
      return;
    }
    try {
      LogManager.getLogManager()
          .readConfiguration(
              new ByteArrayInputStream(CONFIGURATION.getBytes(StandardCharsets.UTF_8)));
    } catch (IOException e) {
      throw new UncheckedIOException("Reading from memory does not fail", e);
    }
  }
}
