package dev.longtake.common.tls;

import java.nio.file.Path;
import java.util.List;

/**
 * Where a process finds its identity; all files are PEM.
 *
 * @param certificates the process's own certificate, and those between it and the authority
 * @param key the certificate's private key
 * @param authorities certificates of those whose signature on others' certificates is trusted
 */
public record TlsFiles(Path certificates, Path key, Path authorities) {
  static final String CERTIFICATES_OPTION = "--tls-cert";
  static final String KEY_OPTION = "--tls-key";
  static final String AUTHORITIES_OPTION = "--tls-ca";

  /** The options that say the same to another process of this host. */
  public List<String> arguments() {
    return List.of(
        CERTIFICATES_OPTION,
        certificates.toAbsolutePath().toString(),
        KEY_OPTION,
        key.toAbsolutePath().toString(),
        AUTHORITIES_OPTION,
        authorities.toAbsolutePath().toString());
  }
}
