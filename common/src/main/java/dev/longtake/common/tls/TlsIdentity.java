package dev.longtake.common.tls;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import io.grpc.netty.GrpcSslContexts;
import io.netty.handler.ssl.ClientAuth;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import java.security.GeneralSecurityException;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.cert.X509Certificate;
import java.util.List;
import javax.net.ssl.SSLException;

/**
 * Who a process is to the others of its cluster, and whom it trusts: the same on connections that it makes and on those that it accepts.
 * Both sides show a certificate. Immutable.
 */
public final class TlsIdentity {
  private static final String PROTOCOL = "TLSv1.3";

  private final SslContext server;
  private final SslContext client;

  private TlsIdentity(SslContext server, SslContext client) {
    this.server = server;
    this.client = client;
  }

  /**
   * Reads the files, once: a process whose certificate is renewed is started again.
   *
   * @throws LongtakeException INVALID_REQUEST, naming the option, when one is missing or holds something else, a certificate is not
   *     valid now, or the key is not the certificate's
   */
  public static TlsIdentity read(TlsFiles files) {
    List<X509Certificate> chain =
        new PemFile(TlsFiles.CERTIFICATES_OPTION, files.certificates()).certificates();
    PublicKey publicKey = chain.getFirst().getPublicKey();
    PrivateKey key = new PemFile(TlsFiles.KEY_OPTION, files.key()).key(publicKey.getAlgorithm());
    requireFits(files, key, publicKey);
    List<X509Certificate> trusted =
        new PemFile(TlsFiles.AUTHORITIES_OPTION, files.authorities()).certificates();
    X509Certificate[] own = chain.toArray(new X509Certificate[0]);
    try {
      return new TlsIdentity(
          build(SslContextBuilder.forServer(key, own).clientAuth(ClientAuth.REQUIRE), trusted),
          build(SslContextBuilder.forClient().keyManager(key, own), trusted));
    } catch (SSLException | IllegalArgumentException e) {
      throw new LongtakeException(
          ErrorCode.INVALID_REQUEST,
          "Expected certificates and a key that TLS can use in '%s' and '%s', but it refuses them: %s"
              .formatted(files.certificates(), files.key(), e.getMessage()),
          e);
    }
  }

  private static SslContext build(SslContextBuilder context, List<X509Certificate> trusted)
      throws SSLException {
    return GrpcSslContexts.configure(context)
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

  /** For the side that accepts connections; callers without a trusted certificate are refused. */
  public SslContext server() {
    return server;
  }

  /** For the side that makes connections. */
  public SslContext client() {
    return client;
  }
}
