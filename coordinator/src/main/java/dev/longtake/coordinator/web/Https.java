package dev.longtake.coordinator.web;

import dev.longtake.common.tls.TlsIdentity;
import javax.net.ssl.SSLEngine;
import org.eclipse.jetty.server.SslConnectionFactory;
import org.eclipse.jetty.util.ssl.SslContextFactory;

/** TLS as the gRPC port has it: the same certificate and the same demands, read again when the files change. */
final class Https {
  private Https() {}

  static SslConnectionFactory factory(TlsIdentity identity, String next) {
    return new SslConnectionFactory(new Engines(identity), next);
  }

  /** Asks the identity for each connection. */
  private static final class Engines extends SslContextFactory.Server {
    private final TlsIdentity identity;

    Engines(TlsIdentity identity) {
      this.identity = identity;
      // Without one, the super class would look for key stores.
      setSslContext(identity.httpsContext());
    }

    @Override
    public SSLEngine newSSLEngine() {
      return identity.httpsEngine();
    }

    @Override
    public SSLEngine newSSLEngine(String host, int port) {
      return identity.httpsEngine();
    }
  }
}
