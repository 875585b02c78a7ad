package dev.longtake.worker.media;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.error.Quoted;

/** What to say when a native library can't be loaded: the linker's own words lead nowhere. */
final class NativeLibraries {
  private NativeLibraries() {}

  /**
   * A failure that names the platform and the folder.
   *
   * @param folder where the library is unpacked to
   */
  static LongtakeException unusable(String library, String folder, Throwable cause) {
    Throwable root = cause;
    while (root.getCause() != null) {
      root = root.getCause();
    }
    return new LongtakeException(
        ErrorCode.INTERNAL,
        "Expected to load the native library of %s for %s %s, but it failed: %s; check that %s is writable and not mounted noexec, and that the platform is one of Linux, macOS or Windows on x86-64, or Linux or macOS on arm64"
            .formatted(
                library,
                System.getProperty("os.name"),
                System.getProperty("os.arch"),
                Quoted.line(root.toString()),
                folder),
        cause);
  }
}
