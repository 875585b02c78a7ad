package dev.longtake.common.process;

import java.io.IOException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * Ends this process when the one that started it is gone. The parent holds our standard input open and writes nothing;
 * the operating system closes it when the parent dies, however it dies.
 */
public final class ParentWatch {
  /** How long shutdown hooks may take before the process is halted. */
  private static final long SHUTDOWN_NANOS = TimeUnit.SECONDS.toNanos(10);

  private ParentWatch() {}

  /** Starts watching on a daemon thread; at end of standard input the process exits with status 0. */
  public static void exitWithParent() {
    Thread.ofPlatform().daemon().name("parent-watch").start(ParentWatch::awaitEndOfInput);
  }

  private static void awaitEndOfInput() {
    try {
      byte[] ignored = new byte[64];
      while (System.in.read(ignored) >= 0) {
        // A parent that writes is alive.
      }
    } catch (IOException e) {
      // A broken pipe means the same as its end.
    }
    Thread.ofPlatform().daemon().name("halt-late-exit").start(ParentWatch::haltAfterGrace);
    System.exit(0);
  }

  private static void haltAfterGrace() {
    long end = System.nanoTime() + SHUTDOWN_NANOS;
    for (long left = SHUTDOWN_NANOS; left > 0; left = end - System.nanoTime()) {
      LockSupport.parkNanos(left);
    }
    Runtime.getRuntime().halt(1);
  }
}
