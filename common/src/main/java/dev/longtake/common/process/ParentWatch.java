package dev.longtake.common.process;

import java.io.IOException;

/** Ends this process when the one that started it has gone, however it went. */
public final class ParentWatch {
  private ParentWatch() {}

  /** Starts a daemon thread that exits the process, shutdown hooks included, at the end of standard input. */
  public static void exitWithParent() {
    Thread watch = new Thread(ParentWatch::readToEnd, "parent-watch");
    watch.setDaemon(true);
    watch.start();
  }

  private static void readToEnd() {
    byte[] ignored = new byte[256];
    try {
      while (System.in.read(ignored) >= 0) {
        // A parent has nothing to say; only the end of its pipe matters.
      }
    } catch (IOException e) {
      // A broken pipe is an end as well.
    }
    System.exit(0);
  }
}
