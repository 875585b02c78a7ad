package dev.longtake.ops.rules;

import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** The source files of the whole repository. */
final class Sources {
  private static final Set<String> SKIPPED = Set.of("target", "out", ".git", ".idea", ".vscode");

  private Sources() {}

  /** The repository's folder: the first one upwards from this module that holds the contracts. */
  static Path root() {
    Path folder = Path.of("").toAbsolutePath();
    while (folder != null && !Files.isDirectory(folder.resolve("proto/src/main/proto"))) {
      folder = folder.getParent();
    }
    if (folder == null) {
      throw new IllegalStateException(
          "Expected to run inside the repository, but no folder above has proto/src/main/proto");
    }
    return folder;
  }

  /** All files under a {@code src} folder whose name ends with {@code suffix}, in order of their paths. */
  static List<Path> withSuffix(String suffix) {
    var files = new ArrayList<Path>();
    Path root = root();
    try {
      Files.walkFileTree(
          root,
          new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult preVisitDirectory(Path folder, BasicFileAttributes attributes) {
              return SKIPPED.contains(folder.getFileName().toString())
                  ? FileVisitResult.SKIP_SUBTREE
                  : FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
              if (file.toString().endsWith(suffix)
                  && root.relativize(file).toString().contains("src")) {
                files.add(file);
              }
              return FileVisitResult.CONTINUE;
            }
          });
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
    files.sort(null);
    return files;
  }

  static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  /** The path from the repository's folder, for messages. */
  static String name(Path file) {
    return root().relativize(file).toString();
  }
}
