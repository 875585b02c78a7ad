package dev.longtake.common.tls;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.error.Quoted;
import java.security.GeneralSecurityException;
import java.security.cert.CertPathValidator;
import java.security.cert.CertPathValidatorException;
import java.security.cert.CertificateFactory;
import java.security.cert.CertificateParsingException;
import java.security.cert.PKIXParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.time.Instant;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * What others see of a process with TLS, for whoever checks a host.
 *
 * @param subject of its certificate
 * @param end of the first of its certificates, authorities included, that expires
 * @param names hosts and addresses that its certificate is good for
 * @param distrust why processes with the same authorities would refuse it; empty: they would not
 */
public record CertificateFacts(
    String subject, Instant end, List<String> names, Optional<String> distrust) {
  private static final int DNS_NAME = 2;
  private static final int ADDRESS = 7;

  public CertificateFacts {
    names = List.copyOf(names);
  }

  /**
   * Reads the files.
   *
   * @throws LongtakeException INVALID_REQUEST as {@link TlsIdentity#read}
   */
  public static CertificateFacts read(TlsFiles files) {
    var _ = TlsIdentity.read(files);
    List<X509Certificate> chain =
        new PemFile(TlsFiles.CERTIFICATES_OPTION, files.certificates()).certificates();
    List<X509Certificate> trusted =
        new PemFile(TlsFiles.AUTHORITIES_OPTION, files.authorities()).certificates();
    X509Certificate own = chain.getFirst();
    return new CertificateFacts(
        own.getSubjectX500Principal().getName(),
        Stream.concat(chain.stream(), trusted.stream())
            .map(certificate -> certificate.getNotAfter().toInstant())
            .min(Comparator.naturalOrder())
            .orElseThrow(),
        names(own),
        distrust(chain, trusted));
  }

  private static List<String> names(X509Certificate certificate) {
    try {
      Collection<List<?>> names = certificate.getSubjectAlternativeNames();
      return names == null
          ? List.of()
          : names.stream()
              .filter(name -> name.get(0).equals(DNS_NAME) || name.get(0).equals(ADDRESS))
              .map(name -> String.valueOf(name.get(1)))
              .toList();
    } catch (CertificateParsingException e) {
      return List.of();
    }
  }

  private static Optional<String> distrust(
      List<X509Certificate> chain, List<X509Certificate> trusted) {
    try {
      PKIXParameters parameters =
          new PKIXParameters(
              trusted.stream()
                  .map(authority -> new TrustAnchor(authority, null))
                  .collect(Collectors.toSet()));
      // Nobody in a cluster asks for revocations.
      parameters.setRevocationEnabled(false);
      CertPathValidator.getInstance("PKIX")
          .validate(CertificateFactory.getInstance("X.509").generateCertPath(chain), parameters);
      return Optional.empty();
    } catch (CertPathValidatorException e) {
      return Optional.of(Quoted.line(e.getMessage()));
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("Expected PKIX in every JDK", e);
    }
  }

  /** Whether callers of a host accept the certificate. */
  public boolean covers(String host) {
    String called = host.toLowerCase(Locale.ROOT);
    return names.stream()
        .map(name -> name.toLowerCase(Locale.ROOT))
        .anyMatch(name ->
            name.equals(called)
                || (name.startsWith("*.")
                    && called.indexOf('.') > 0
                    && called.substring(called.indexOf('.')).equals(name.substring(1))));
  }
}
