package dev.longtake.common.tls;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.error.Quoted;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.cert.CertificateException;
import java.security.cert.CertificateExpiredException;
import java.security.cert.CertificateFactory;
import java.security.cert.CertificateNotYetValidException;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A file of certificates or with a key.
 *
 * @param option that named it, for errors
 */
record PemFile(String option, Path path) {
  /** More than the certificates of all public authorities. */
  private static final int MAX_BYTES = 4 << 20;

  private static final Pattern HEADER = Pattern.compile("-----BEGIN ([A-Z0-9 ]+)-----");
  private static final Pattern KEY =
      Pattern.compile("-----BEGIN PRIVATE KEY-----([A-Za-z0-9+/=\\s]+)-----END PRIVATE KEY-----");

  /**
   * Certificates, all of which are valid now.
   *
   * @return at least one
   * @throws LongtakeException INVALID_REQUEST
   */
  List<X509Certificate> certificates() {
    List<X509Certificate> certificates;
    byte[] bytes = read("certificates");
    try {
      certificates =
          CertificateFactory.getInstance("X.509")
              .generateCertificates(new ByteArrayInputStream(bytes))
              .stream()
              .map(X509Certificate.class::cast)
              .toList();
    } catch (CertificateException e) {
      throw wrong("certificates", "that can't be read: " + Quoted.line(e.getMessage()));
    }
    if (certificates.isEmpty()) {
      throw wrong("certificates", "which has " + contents(bytes));
    }
    certificates.forEach(this::requireValid);
    return certificates;
  }

  private void requireValid(X509Certificate certificate) {
    try {
      certificate.checkValidity();
    } catch (CertificateExpiredException e) {
      throw notValid(certificate, "expired on " + certificate.getNotAfter().toInstant());
    } catch (CertificateNotYetValidException e) {
      throw notValid(certificate, "is valid only from " + certificate.getNotBefore().toInstant());
    }
  }

  private LongtakeException notValid(X509Certificate certificate, String why) {
    return LongtakeException.invalidField(
        option,
        "Expected the certificates of %s to be valid now, but that of %s in '%s' %s; have a new one issued, or correct this host's clock"
            .formatted(
                option, Quoted.of(certificate.getSubjectX500Principal().getName()), path, why));
  }

  /**
   * A private key.
   *
   * @param algorithm of the certificate that it belongs to
   * @throws LongtakeException INVALID_REQUEST, also when it is of another algorithm
   */
  PrivateKey key(String algorithm) {
    byte[] bytes = read("a private key");
    Matcher block = KEY.matcher(text(bytes));
    if (!block.find()) {
      throw wrong(
          "a private key that is not encrypted (PKCS#8, 'BEGIN PRIVATE KEY')",
          "which has %s; convert a key with 'openssl pkcs8 -topk8 -nocrypt'"
              .formatted(contents(bytes)));
    }
    try {
      byte[] encoded = Base64.getMimeDecoder().decode(block.group(1));
      return KeyFactory.getInstance(algorithm).generatePrivate(new PKCS8EncodedKeySpec(encoded));
    } catch (GeneralSecurityException | IllegalArgumentException e) {
      throw wrong(
          "the %s key of the certificate".formatted(algorithm),
          "whose key is another or damaged (%s)".formatted(Quoted.line(e.getMessage())));
    }
  }

  private byte[] read(String expected) {
    try (InputStream in = Files.newInputStream(path)) {
      return in.readNBytes(MAX_BYTES);
    } catch (NoSuchFileException e) {
      throw LongtakeException.invalidField(
          option,
          "Expected %s to name a file with %s in PEM, but there is no '%s'; correct the path"
              .formatted(option, expected, path));
    } catch (IOException e) {
      throw wrong(expected, "that can't be read: " + Quoted.line(e.getMessage()));
    }
  }

  private LongtakeException wrong(String expected, String but) {
    return LongtakeException.invalidField(
        option,
        "Expected %s to name a file with %s in PEM, but got '%s', %s"
            .formatted(option, expected, path, but));
  }

  private static String contents(byte[] bytes) {
    Matcher header = HEADER.matcher(text(bytes));
    return header.find() ? "'BEGIN %s'".formatted(header.group(1)) : "nothing in PEM";
  }

  private static String text(byte[] bytes) {
    return new String(bytes, StandardCharsets.ISO_8859_1);
  }
}
