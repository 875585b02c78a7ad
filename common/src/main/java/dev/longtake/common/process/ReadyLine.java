package dev.longtake.common.process;

import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The one line a server prints on standard output once it serves: {@code READY <role> <host:port>}. Whoever started it
 * waits for the line and learns the port, which may have been chosen by the system.
 *
 * @param role {@code coordinator} or {@code worker}
 * @param address {@code host:port} that the server listens on
 */
public record ReadyLine(String role, String address) {
  private static final Pattern FORM = Pattern.compile("READY (\\S+) (\\S+:\\d+)\\s*");

  /** Prints the line on standard output; to be called once, when the server serves. */
  public static void print(String role, String address) {
    System.out.println("READY " + role + " " + address);
    System.out.flush();
  }

  /** The ready line that {@code line} is; empty for any other line. */
  public static Optional<ReadyLine> parse(String line) {
    Matcher matcher = FORM.matcher(line);
    return matcher.matches()
        ? Optional.of(new ReadyLine(matcher.group(1), matcher.group(2)))
        : Optional.empty();
  }
}
