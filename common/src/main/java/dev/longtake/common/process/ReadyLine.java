package dev.longtake.common.process;

/** The one line a server process prints on standard output once it serves. */
public final class ReadyLine {
  private ReadyLine() {}

  /** Prints {@code READY role address}. */
  public static void print(String role, String address) {
    System.out.println("READY " + role + " " + address);
    System.out.flush();
  }
}
