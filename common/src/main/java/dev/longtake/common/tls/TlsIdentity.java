package dev.longtake.common.tls;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import io.grpc.netty.GrpcSslContexts;
import io.netty.handler.ssl.ClientAuth;
import io.netty.handler.ssl.JdkSslContext;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslProvider;
import java.nio.file.attribute.FileTime;
import java.security.GeneralSecurityException;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.cert.X509Certificate;
import java.util.List;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Who a process is to the others of its cluster, and whom it trusts: the same on connections that it makes and on those that it accepts.
 * Both sides show a certificate. Files that change are read again for the next connection; while what they hold is wrong, the
 * identity stays as it was, and the log says so. Thread-safe.
 */
public final class TlsIdentity {
  private static final Logger LOG = LoggerFactory.getLogger(TlsIdentity.class);
  private static final String PROTOCOL = "TLSv1.3";

  private final TlsFiles files;
  private final ClientAuth callers;
  private List<FileTime> readTimes; // guarded by this
  private Contexts contexts; // guarded by this

  private record Contexts(SslContext server, SslContext client, SSLContext https) {}

  private TlsIdentity(TlsFiles files, ClientAuth callers) {
    this.files = files;
    this.callers = callers;
    // Before the files: what changes meanwhile is read again.
    this.readTimes = files.modificationTimes();
    this.contexts = load(files, callers);
  }

  /**
   * Reads the files.
   *
   * @throws LongtakeException INVALID_REQUEST, naming the option, when one is missing or holds something else, a certificate is not
   *     valid now, or the key is not the certificate's
   */
  public static TlsIdentity read(TlsFiles files) {
    return new TlsIdentity(files, ClientAuth.REQUIRE);
  }

  /** The same, for a server whose callers may show another proof than a certificate. */
  public TlsIdentity withOptionalCallers() {
    return new TlsIdentity(files, ClientAuth.OPTIONAL);
  }

  private static Contexts load(TlsFiles files, ClientAuth callers) {
    List<X509Certificate> chain =
        new PemFile(TlsFiles.CERTIFICATES_OPTION, files.certificates()).certificates();
    PublicKey publicKey = chain.getFirst().getPublicKey();
    PrivateKey key = new PemFile(TlsFiles.KEY_OPTION, files.key()).key(publicKey.getAlgorithm());
    requireFits(files, key, publicKey);
    List<X509Certificate> trusted =
        new PemFile(TlsFiles.AUTHORITIES_OPTION, files.authorities()).certificates();
    X509Certificate[] own = chain.toArray(new X509Certificate[0]);
    try {
      return new Contexts(
          build(grpc(SslContextBuilder.forServer(key, own).clientAuth(callers)), trusted),
          build(grpc(SslContextBuilder.forClient().keyManager(key, own)), trusted),
          ((JdkSslContext)
                  build(
                      SslContextBuilder.forServer(key, own).sslProvider(SslProvider.JDK), trusted))
              .context());
    } catch (SSLException | IllegalArgumentException e) {
      throw new LongtakeException(
          ErrorCode.INVALID_REQUEST,
          "Expected certificates and a key that TLS can use in '%s' and '%s', but it refuses them: %s"
              .formatted(files.certificates(), files.key(), e.getMessage()),
          e);
    }
  }

  /** By BoringSSL where it is there: it has twice the JDK's speed, and a fifth of its garbage. */
  private static SslContextBuilder grpc(SslContextBuilder context) {
    return GrpcSslContexts.configure(context);
  }

  private static SslContext build(SslContextBuilder context, List<X509Certificate> trusted)
      throws SSLException {
    return context
        .trustManager(trusted.toArray(new X509Certificate[0]))
        .protocols(PROTOCOL)
        .build();
  }

  /** What the key signs must be what the certificate's key verifies. */
  private static void requireFits(TlsFiles files, PrivateKey key, PublicKey publicKey) {
    byte[] text = {1, 2, 3};
    boolean fits;
    try {
      Signature signature = Signature.getInstance(signatureOf(key.getAlgorithm()));
      signature.initSign(key);
      signature.update(text);
      byte[] signed = signature.sign();
      signature.initVerify(publicKey);
      signature.update(text);
      fits = signature.verify(signed);
    } catch (GeneralSecurityException e) {
      fits = false;
    }
    if (!fits) {
      throw LongtakeException.invalidField(
          TlsFiles.KEY_OPTION,
          "Expected %s to name the private key of the first certificate in '%s', but '%s' has another one; give the files that were made together"
              .formatted(TlsFiles.KEY_OPTION, files.certificates(), files.key()));
    }
  }

  private static String signatureOf(String keyAlgorithm) {
    return switch (keyAlgorithm) {
      case "RSA" -> "SHA256withRSA";
      case "EC" -> "SHA256withECDSA";
      default -> keyAlgorithm;
    };
  }

  /** For the next connection that is accepted; a caller whose certificate is not trusted is refused. */
  public SslContext server() {
    return fresh().server;
  }

  /** For the next connection that HTTP accepts; see {@link #server}. */
  public SSLEngine httpsEngine() {
    SSLEngine engine = httpsContext().createSSLEngine();
    engine.setUseClientMode(false);
    engine.setEnabledProtocols(new String[] {PROTOCOL});
    engine.setNeedClientAuth(callers == ClientAuth.REQUIRE);
    if (callers == ClientAuth.OPTIONAL) {
      engine.setWantClientAuth(true);
    }
    return engine;
  }

  /** What such an engine is made of: the JDK's, the only kind that HTTP's server takes. */
  public SSLContext httpsContext() {
    return fresh().https;
  }

  /** For the next connection that is made. */
  public SslContext client() {
    return fresh().client;
  }

  private synchronized Contexts fresh() {
    List<FileTime> times = files.modificationTimes();
    if (!times.equals(readTimes)) {
      readTimes = times;
      try {
        contexts = load(files, callers);
        LOG.info("The certificates of {} were read again", files.certificates());
      } catch (LongtakeException e) {
        // They are replaced one after the other: the next change may make them whole.
        LOG.warn("The certificates stay as they were: {}", e.getMessage());
      }
    }
    return contexts;
  }
}
