package dev.longtake.ops.launcher.doctor;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.model.ModelFolder;
import dev.longtake.worker.engine.loading.OpenModel;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** A worker's model: all files, and every weight that the transformer needs. */
final class ModelCheck {
  private static final String NAME = "model";

  private ModelCheck() {}

  static Finding of(@Nullable Path path) {
    if (path == null) {
      return Finding.skipped(NAME, "none is given; --model says which, behind --");
    }
    try {
      ModelFolder folder = ModelFolder.open(path);
      try (OpenModel model = OpenModel.open(folder)) {
        String found =
            "%s in %s, %s".formatted(folder.name(), path, model.description().architecture());
        return folder
            .lacking()
            .map(lacking ->
                Finding.warning(
                    NAME,
                    "%s, has no %s".formatted(found, lacking),
                    "name both in its model_index.json if it is to make videos of prompts"))
            .orElseGet(() -> Finding.ok(NAME, found + ", complete"));
      }
    } catch (LongtakeException e) {
      return Finding.failed(
          NAME,
          e.getMessage(),
          "copy the model again; 'longtake inspect %s' lists all that it lacks".formatted(path));
    }
  }
}
