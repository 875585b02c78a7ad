package dev.longtake.worker.conformance;

import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.Objects;

/** Where the reference data and the demo model are. */
final class GoldenFolders {
  private GoldenFolders() {}

  static Path golden(String name) {
    try {
      return Path.of(
          Objects.requireNonNull(GoldenFolders.class.getResource("/golden/" + name), name).toURI());
    } catch (URISyntaxException e) {
      throw new AssertionError(e);
    }
  }

  static Path demoModel() {
    return Path.of(System.getProperty("longtake.root", ".."), "ops/demo-model");
  }
}
