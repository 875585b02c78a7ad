package dev.longtake.common.tls;

import dev.longtake.common.error.Quoted;
import io.grpc.Status;
import io.netty.handler.ssl.NotSslRecordException;
import java.util.Locale;
import java.util.Optional;
import javax.net.ssl.SSLException;

/** What TLS has to do with a connection that failed, in words. */
public final class TlsFailures {
  /** What a server with an identity tells a caller that speaks plain text. */
  public static final String PLAIN_TEXT_REFUSED =
      "it expects TLS, not plain text; start both sides with --tls-cert, --tls-key and --tls-ca, or"
          + " neither";

  private static final String PLAIN_TEXT_HEARD =
      "it speaks plain text, not TLS; start both sides with --tls-cert, --tls-key and --tls-ca, or"
          + " neither";

  private TlsFailures() {}

  /**
   * Why both sides could not agree on TLS, said of the other side; empty when the failure has another cause.
   *
   * @param failure of a call, with its causes
   */
  public static Optional<String> reason(Throwable failure) {
    String description = Status.fromThrowable(failure).getDescription();
    if (description != null && description.contains(PLAIN_TEXT_REFUSED)) {
      return Optional.of(PLAIN_TEXT_REFUSED);
    }
    for (Throwable t = failure; t != null; t = t.getCause()) {
      if (t instanceof NotSslRecordException) {
        return Optional.of(PLAIN_TEXT_HEARD);
      }
      if (t instanceof SSLException) {
        return Optional.of(failed(rootMessage(t)));
      }
    }
    return Optional.empty();
  }

  private static String failed(String why) {
    // An alert is what the other side sends when it does not like what it got.
    boolean isAlert = why.toLowerCase(Locale.ROOT).contains("alert");
    return "%s (%s); each side's certificate must be signed by an authority in the other's --tls-ca, and name the host that is called"
        .formatted(isAlert ? "it refused TLS with this side" : "TLS with it failed", why);
  }

  private static String rootMessage(Throwable failure) {
    Throwable root = failure;
    while (root.getCause() != null) {
      root = root.getCause();
    }
    return Quoted.line(root.getMessage());
  }
}
