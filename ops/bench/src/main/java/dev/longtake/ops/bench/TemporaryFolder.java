package dev.longtake.ops.bench;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.stream.Stream;

/** A folder that is deleted with everything in it when it is closed, or when this process ends: models in it are large. */
final class TemporaryFolder implements AutoCloseable {
  private final Path path;
  private final Thread hook = Thread.ofPlatform().name("end-folder").unstarted(this::delete);

  private TemporaryFolder(Path path) {
    this.path = path;
    Runtime.getRuntime().addShutdownHook(hook);
  }

  static TemporaryFolder create() {
    try {
      return new TemporaryFolder(Files.createTempDirectory("longtake-bench-"));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  Path path() {
    return path;
  }

  @Override
  public void close() {
    delete();
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // Shutting down: the hook runs or ran.
    }
  }

  private void delete() {
    try (Stream<Path> files = Files.walk(path)) {
      files.sorted(Comparator.reverseOrder()).toList().forEach(TemporaryFolder::tryToDelete);
    } catch (IOException | UncheckedIOException e) {
      // The system empties its temporary folder.
    }
  }

  /** A process that ends at the same time may still write its log; all else goes in any case. */
  private static void tryToDelete(Path file) {
    try {
      Files.deleteIfExists(file);
    } catch (IOException e) {
      // As above.
    }
  }
}
