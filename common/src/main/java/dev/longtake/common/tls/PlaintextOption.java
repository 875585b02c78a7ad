package dev.longtake.common.tls;

import dev.longtake.common.error.LongtakeException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Whether a server may speak plain text where other hosts can hear it, for picocli's {@code @Mixin}. */
public final class PlaintextOption {
  @Option(
      names = "--plaintext",
      description =
          "Serve without TLS on a --host that other hosts can reach, too: whoever is in that"
              + " network can read and change everything.")
  private boolean isAllowed;

  /** As the other {@code check}, for {@code --host}. */
  public void check(String host, @Nullable TlsIdentity tls) {
    check("--host", host, tls);
  }

  /**
   * Checks a server's set-up before it listens.
   *
   * @param option that names the host
   * @param host to listen on
   * @param tls null for plain text
   * @throws LongtakeException INVALID_REQUEST when it would speak plain text to other hosts without having been asked to
   */
  public void check(String option, String host, @Nullable TlsIdentity tls) {
    if (tls == null && !isAllowed && !isLoopback(host)) {
      throw LongtakeException.invalidField(
          option,
          "Expected TLS where other hosts can connect, but %s is '%s' and there is no certificate; give --tls-cert, --tls-key and --tls-ca ('longtake certs' makes them for a try), or --plaintext in a network that you trust"
              .formatted(option, host));
    }
  }

  private static boolean isLoopback(String host) {
    try {
      return InetAddress.getByName(host).isLoopbackAddress();
    } catch (UnknownHostException e) {
      // Nothing can listen there: the server says so.
      return true;
    }
  }
}
