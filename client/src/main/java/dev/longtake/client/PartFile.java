package dev.longtake.client;

import java.io.IOException;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/** A file under way: what arrives goes beside its target and takes its place when it is complete. */
final class PartFile {
  private final Path target;
  private final Path part;

  PartFile(Path target, String jobId) {
    this.target = target;
    this.part = target.resolveSibling(target.getFileName() + "." + jobId + ".part");
  }

  Path path() {
    return part;
  }

  void moveIntoPlace() throws IOException {
    try {
      Files.move(part, target, StandardCopyOption.ATOMIC_MOVE);
    } catch (AtomicMoveNotSupportedException e) {
      Files.move(part, target, StandardCopyOption.REPLACE_EXISTING);
    }
  }

  /** LOCAL_FILE, with what is wrong with the file. */
  LongtakeClientException cannotWrite(IOException e) {
    String why =
        e instanceof FileSystemException file && file.getReason() != null
            ? file.getReason()
            : e.getClass().getSimpleName() + " " + e.getMessage();
    return new LongtakeClientException(
        LongtakeClientException.LOCAL_FILE, null, "Cannot write %s: %s".formatted(target, why), e);
  }
}
