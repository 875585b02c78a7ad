package dev.longtake.common.process;

import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The one line a server prints on standard output once it serves: {@code READY <role> <host:port>}, and {@code metrics <host:port>} and
 * {@code http <URL>} behind it where it serves those. Whoever started it waits for the line and learns the ports, which may have been chosen by the system.
 *
 * @param role {@code coordinator} or {@code worker}
 * @param address {@code host:port} that the server listens on
 * @param metricsAddress {@code host:port} of its metrics; empty: it serves none
 * @param httpUrl of its page; empty: it serves none
 */
public record ReadyLine(String role, String address, String metricsAddress, String httpUrl) {
  private static final Pattern FORM =
      Pattern.compile(
          "READY (\\S+) (\\S+:\\d+)(?: metrics (\\S+:\\d+))?(?: http (https?://\\S+/))?\\s*");

  /** A server without metrics. */
  public ReadyLine(String role, String address) {
    this(role, address, "", "");
  }

  /** A server without a page. */
  public ReadyLine(String role, String address, String metricsAddress) {
    this(role, address, metricsAddress, "");
  }

  /** Prints the line on standard output; to be called once, when the server serves. */
  public void print() {
    System.out.println(
        "READY "
            + role
            + " "
            + address
            + (metricsAddress.isEmpty() ? "" : " metrics " + metricsAddress)
            + (httpUrl.isEmpty() ? "" : " http " + httpUrl));
    System.out.flush();
  }

  /** Prints the line of a server without metrics. */
  public static void print(String role, String address) {
    new ReadyLine(role, address).print();
  }

  /** The ready line that {@code line} is; empty for any other line. */
  public static Optional<ReadyLine> parse(String line) {
    Matcher matcher = FORM.matcher(line);
    return matcher.matches()
        ? Optional.of(
            new ReadyLine(
                matcher.group(1),
                matcher.group(2),
                Optional.ofNullable(matcher.group(3)).orElse(""),
                Optional.ofNullable(matcher.group(4)).orElse("")))
        : Optional.empty();
  }
}
