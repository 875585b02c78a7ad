package dev.longtake.common.process;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.logging.LogManager;

/**
 * How a Longtake process logs: {@code java.util.logging}, which gRPC and Netty use by themselves, on standard error, one line
 * a record. A file or class that the user names with a {@code java.util.logging.config} property wins.
 */
public final class Logs {
  /** A connection that ends is news for whoever called, and they say so; gRPC's own account of it is noise. */
  private static final String CONFIGURATION =
      """
      handlers=java.util.logging.ConsoleHandler
      java.util.logging.SimpleFormatter.format=%1$tF %1$tT %4$s %3$s: %5$s%6$s%n
      .level=INFO
      io.grpc.level=WARNING
      io.netty.level=WARNING
      ai.djl.level=WARNING
      """;

  private Logs() {}

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
