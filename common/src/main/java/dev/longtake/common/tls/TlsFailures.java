package dev.longtake.common.tls;

import io.grpc.Status;
import io.netty.handler.ssl.NotSslRecordException;
import java.util.Optional;
import javax.net.ssl.SSLHandshakeException;

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
      if (t instanceof SSLHandshakeException) {
        return Optional.of(
            "TLS with it failed (%s); each side's certificate must be signed by an authority in the other's --tls-ca, and name the host that is called"
                .formatted(root(t).getMessage()));
      }
    }
    return Optional.empty();
  }

  private static Throwable root(Throwable failure) {
    Throwable root = failure;
    while (root.getCause() != null) {
      root = root.getCause();
    }
    return root;
  }
}
