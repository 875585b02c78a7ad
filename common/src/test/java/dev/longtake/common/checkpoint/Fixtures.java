package dev.longtake.common.checkpoint;

import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Path;
import java.util.Objects;

/** Files that PyTorch wrote; the script beside them says how. */
final class Fixtures {
  private Fixtures() {}

  static Path path(String name) {
    URL resource = Objects.requireNonNull(Fixtures.class.getResource(name), name);
    try {
      return Path.of(resource.toURI());
    } catch (URISyntaxException e) {
      throw new AssertionError(e);
    }
  }
}
