package dev.longtake.coordinator.access;

import dev.longtake.common.digest.Sha256;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Optional;

/**
 * Who has which key. Keys are known by their SHA-256 alone: they have 256 random bits, so nothing slower is needed to keep them from being
 * guessed, and whoever reads the file has no key.
 */
record AccessKeys(Map<String, Caller> byDigest) {
  static final AccessKeys NONE = new AccessKeys(Map.of());

  AccessKeys {
    byDigest = Map.copyOf(byDigest);
  }

  /** What stands for a key in the file: 64 hexadecimal digits. */
  static String digest(String secret) {
    return Sha256.hex(secret.getBytes(StandardCharsets.UTF_8));
  }

  Optional<Caller> caller(String secret) {
    return Optional.ofNullable(byDigest.get(digest(secret)));
  }
}
