package dev.longtake.worker.engine.loading;

import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.Objects;

/** Where the reference data is. */
final class GoldenWeights {
  private GoldenWeights() {}

  static Path folder(String golden) {
    try {
      return Path.of(
          Objects.requireNonNull(GoldenWeights.class.getResource("/golden/" + golden), golden)
              .toURI());
    } catch (URISyntaxException e) {
      throw new AssertionError(e);
    }
  }
}
