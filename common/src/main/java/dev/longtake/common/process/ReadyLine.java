package dev.longtake.common.process;

import java.io.PrintStream;

/** The one line a server process prints on standard output when it serves. */
public final class ReadyLine {
  private ReadyLine() {}

  /**
   * Prints {@code READY <role> <address>} and flushes.
   *
   * @param role {@code "coordinator"} or {@code "worker"}
   * @param address host:port
   */
  public static void print(String role, String address) {
    PrintStream out = System.out;
    out.println("READY " + role + " " + address);
    out.flush();
  }
}
