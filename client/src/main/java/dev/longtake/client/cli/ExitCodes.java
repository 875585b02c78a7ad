package dev.longtake.client.cli;

import dev.longtake.client.LongtakeClientException;

/** The exit statuses of every {@code longtake} command. */
public final class ExitCodes {
  public static final int OK = 0;

  /** Something failed while running; the same command may work later. */
  public static final int FAILED = 1;

  /** The command line, the configuration (an address where nothing listens too) or the request is wrong; correct it. */
  public static final int USAGE = 2;

  /** Interrupted with Ctrl-C; the Java runtime exits with it by itself. */
  public static final int INTERRUPTED = 130;

  private ExitCodes() {}

  /** The status for a failed call. */
  public static int of(LongtakeClientException failure) {
    return switch (failure.reason()) {
      case LongtakeClientException.INVALID_REQUEST,
          LongtakeClientException.UNREACHABLE,
          LongtakeClientException.UNAUTHENTICATED,
          LongtakeClientException.PERMISSION_DENIED ->
          USAGE;
      default -> FAILED;
    };
  }
}
