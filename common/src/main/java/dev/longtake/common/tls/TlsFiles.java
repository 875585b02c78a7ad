package dev.longtake.common.tls;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.List;
import java.util.stream.Stream;

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

  /** When each was last changed; the epoch for one that is not there. */
  List<FileTime> modificationTimes() {
    return Stream.of(certificates, key, authorities).map(TlsFiles::modificationTime).toList();
  }

  private static FileTime modificationTime(Path file) {
    try {
      return Files.getLastModifiedTime(file);
    } catch (IOException e) {
      return FileTime.fromMillis(0);
    }
  }

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
