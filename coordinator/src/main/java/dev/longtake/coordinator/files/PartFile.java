package dev.longtake.coordinator.files;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.UUID;

/**
 * Names of files under way. No two writers have the same, whatever process and host they are on: a coordinator that was replaced and does
 * not know it yet can spoil nothing of its successor's.
 */
public final class PartFile {
  /** So that left-overs of a killed process can be recognised. */
  public static final String SUFFIX = ".part";

  private PartFile() {}

  /** A new name beside {@code target}, which the file gets when it is complete. */
  public static Path of(Path target) {
    return target.resolveSibling(
        "%s.%s%s".formatted(target.getFileName(), UUID.randomUUID(), SUFFIX));
  }

  /** Deletes those in a folder; whoever still writes one can't give it its name any more. */
  public static void deleteAll(Path folder) throws IOException {
    deleteAll(folder, SUFFIX);
  }

  /** Deletes the files of a folder whose names end like this. */
  public static void deleteAll(Path folder, String suffix) throws IOException {
    try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, "*" + suffix)) {
      for (Path file : files) {
        Files.deleteIfExists(file);
      }
    }
  }
}
