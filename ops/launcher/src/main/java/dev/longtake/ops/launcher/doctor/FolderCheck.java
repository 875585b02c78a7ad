package dev.longtake.ops.launcher.doctor;

import dev.longtake.client.cli.Texts;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** The coordinator's data folder: whether it can be written, and for how long. */
final class FolderCheck {
  private static final String NAME = "data folder";

  /** A coordinator with less can't be relied on to keep a job. */
  static final long LEAST_BYTES = 1L << 30;

  private static final long FEW_BYTES = 10L << 30;

  private FolderCheck() {}

  static Finding of(Path folder) {
    Path there = existing(folder.toAbsolutePath().normalize());
    if (there == null || !Files.isDirectory(there)) {
      return Finding.failed(
          NAME,
          "%s is not a folder".formatted(there == null ? folder : there),
          "give --data another folder");
    }
    String shown = there.equals(folder) ? folder.toString() : folder + " (to be made)";
    try {
      Files.delete(Files.createTempFile(there, "longtake-doctor", ".part"));
    } catch (IOException e) {
      return Finding.failed(
          NAME,
          "%s can't be written: %s".formatted(there, e),
          "give it to the user of the coordinator (%s), or choose another --data"
              .formatted(System.getProperty("user.name")));
    }
    try {
      return space(shown, Files.getFileStore(there).getUsableSpace());
    } catch (IOException e) {
      return Finding.failed(NAME, "%s: %s".formatted(there, e), "choose another --data");
    }
  }

  /** What a folder with so many bytes left is good for. */
  static Finding space(String folder, long bytes) {
    String found = "%s, %s free".formatted(folder, Texts.bytes(bytes));
    if (bytes < LEAST_BYTES) {
      return Finding.failed(
          NAME, found, "make room: jobs, their states and videos are kept there; 'du' says what");
    }
    return bytes < FEW_BYTES
        ? Finding.warning(NAME, found, "make room, or watch it: videos stay until they are deleted")
        : Finding.ok(NAME, found);
  }

  private static @Nullable Path existing(Path folder) {
    Path path = folder;
    while (path != null && !Files.exists(path)) {
      path = path.getParent();
    }
    return path;
  }
}
