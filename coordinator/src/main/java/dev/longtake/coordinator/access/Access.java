package dev.longtake.coordinator.access;

import dev.longtake.common.error.LongtakeException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The keys of a coordinator, from a file that is read again when it changes; while what it holds is wrong, the keys stay as they were, and the
 * log says so. A key that is taken out ends no call that was let in before. Thread-safe.
 */
public final class Access {
  private static final Logger log = LoggerFactory.getLogger(Access.class);

  private final @Nullable Path file;
  private FileTime readTime = FileTime.fromMillis(0); // guarded by this
  private AccessKeys keys = AccessKeys.NONE; // guarded by this

  private Access(@Nullable Path file) {
    this.file = file;
  }

  /** No keys: everybody who can connect may call everything. */
  public static Access open() {
    return new Access(null);
  }

  /**
   * The keys of a file.
   *
   * @throws LongtakeException INVALID_REQUEST, naming the line, when it is missing or holds something else
   */
  public static Access of(Path file) {
    Access access = new Access(file);
    access.readTime = modificationTime(file);
    access.keys = AccessFile.read(file);
    return access;
  }

  /** Whether callers need no key. */
  public boolean isOpen() {
    return file == null;
  }

  /** Whose key it is; empty for nobody's. */
  Optional<Caller> caller(String secret) {
    return fresh().caller(secret);
  }

  private synchronized AccessKeys fresh() {
    if (file != null) {
      FileTime time = modificationTime(file);
      if (!time.equals(readTime)) {
        readTime = time;
        try {
          keys = AccessFile.read(file);
          log.info("{} was read again", file);
        } catch (LongtakeException e) {
          log.warn("The keys stay as they were: {}", e.getMessage());
        }
      }
    }
    return keys;
  }

  private static FileTime modificationTime(Path file) {
    try {
      return Files.getLastModifiedTime(file);
    } catch (IOException e) {
      return FileTime.fromMillis(0);
    }
  }
}
