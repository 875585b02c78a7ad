package dev.longtake.common.tls;

import dev.longtake.common.error.LongtakeException;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The identity of a server, for picocli's {@code @Mixin}: three files, or none for plain text. */
public final class TlsOptions {
  @Option(
      names = TlsFiles.CERTIFICATES_OPTION,
      paramLabel = "FILE",
      description =
          "This process's certificate in PEM, for mutual TLS on every connection; it must name the"
              + " host that others call.")
  private @Nullable Path certificates;

  @Option(
      names = TlsFiles.KEY_OPTION,
      paramLabel = "FILE",
      description = "The certificate's private key in PEM (PKCS#8).")
  private @Nullable Path key;

  @Option(
      names = TlsFiles.AUTHORITIES_OPTION,
      paramLabel = "FILE",
      description = "Certificates in PEM of the authorities that the others' must be signed by.")
  private @Nullable Path authorities;

  /**
   * The files; null when none is given, which means plain text.
   *
   * @throws LongtakeException INVALID_REQUEST when some are given and others not
   */
  public @Nullable TlsFiles files() {
    Path certificates = this.certificates;
    Path key = this.key;
    Path authorities = this.authorities;
    if (certificates != null && key != null && authorities != null) {
      return new TlsFiles(certificates, key, authorities);
    }
    requireNone(certificates, TlsFiles.CERTIFICATES_OPTION);
    requireNone(key, TlsFiles.KEY_OPTION);
    requireNone(authorities, TlsFiles.AUTHORITIES_OPTION);
    return null;
  }

  private static void requireNone(@Nullable Path file, String option) {
    if (file != null) {
      throw LongtakeException.invalidField(
          option,
          "Expected all of --tls-cert, --tls-key and --tls-ca, or none for plain text, but got %s without the others"
              .formatted(option));
    }
  }

  /**
   * What the files hold; null when none is given.
   *
   * @throws LongtakeException INVALID_REQUEST when some are not given, or hold something else
   */
  public @Nullable TlsIdentity identity() {
    TlsFiles files = files();
    return files == null ? null : TlsIdentity.read(files);
  }

  /**
   * The same options for another process of this host; empty when none is given.
   *
   * @throws LongtakeException INVALID_REQUEST when some are given and others not
   */
  public List<String> arguments() {
    TlsFiles files = files();
    return files == null ? List.of() : files.arguments();
  }
}
