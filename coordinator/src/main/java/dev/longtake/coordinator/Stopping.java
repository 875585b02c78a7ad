package dev.longtake.coordinator;

import io.grpc.Server;
import java.time.Duration;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Ends in bounded time: first in order, then by force. */
final class Stopping {
  private static final Logger log = LoggerFactory.getLogger(Stopping.class);

  private Stopping() {}

  /** Watchers have been told to come back and workers their reason; a bounded while lets those messages leave. */
  static void stop(Server server, Duration timeout) {
    server.shutdown();
    try {
      if (!server.awaitTermination(timeout.toNanos(), TimeUnit.NANOSECONDS)) {
        log.warn("Calls were still open after {} s; they are cut off", timeout.toSeconds());
        server.shutdownNow();
        server.awaitTermination(timeout.toNanos(), TimeUnit.NANOSECONDS);
      }
    } catch (InterruptedException e) {
      server.shutdownNow();
      Thread.currentThread().interrupt();
    }
  }

  /**
   * @param name of what it runs, for the log
   */
  static void stop(String name, ExecutorService executor, Duration timeout) {
    executor.shutdown();
    try {
      if (!executor.awaitTermination(timeout.toNanos(), TimeUnit.NANOSECONDS)) {
        log.warn("The {} did not end in time; they are interrupted", name);
        executor.shutdownNow();
      }
    } catch (InterruptedException e) {
      executor.shutdownNow();
      Thread.currentThread().interrupt();
    }
  }
}
