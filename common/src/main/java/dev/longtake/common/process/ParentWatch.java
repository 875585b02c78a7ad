package dev.longtake.common.process;

import java.io.IOException;

/** Ends this process with the one that started it. */
public final class ParentWatch {
  private ParentWatch() {}

  /** Watches standard input in a daemon thread; at its end the process exits in order. */
  public static void exitWithParent() {
    Thread.ofPlatform()
        .name("lt-parent-watch")
        .daemon()
        .start(
            () -> {
              try {
                while (System.in.read() >= 0) {
                  // Whatever comes is of no interest.
                }
              } catch (IOException e) {
                // A broken input is its end.
              }
              System.exit(0);
            });
  }
}
