package dev.longtake.ops.launcher;

import dev.longtake.common.error.LongtakeException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** What a local cluster is made of, for picocli's {@code @Mixin}. */
final class ClusterOptions {
  private static final int MAX_WORKERS = 64;

  @Option(
      names = "--workers",
      paramLabel = "N",
      defaultValue = "2",
      description =
          "Worker processes (default: ${DEFAULT-VALUE}); they share the processor's cores.")
  int workers = 2;

  @Option(
      names = "--model",
      paramLabel = "DIR",
      description = "Folder with a model_index.json (default: the demo model).")
  @Nullable Path model;

  /** @throws LongtakeException INVALID_REQUEST */
  int requireWorkers() {
    if (workers < 1 || workers > MAX_WORKERS) {
      throw LongtakeException.invalidField(
          "workers", "Expected --workers of 1 to %d, but got %d".formatted(MAX_WORKERS, workers));
    }
    return workers;
  }

  /** @throws LongtakeException INVALID_REQUEST when there is no model */
  Path requireModel() {
    Path folder = model;
    if (folder == null) {
      String home = System.getProperty("longtake.home");
      if (home == null) {
        throw LongtakeException.invalidField(
            "model",
            "Expected --model DIR, as the demo model is only found when started by the 'longtake'"
                + " script");
      }
      folder = Path.of(home, "ops", "demo-model");
    }
    if (!Files.isRegularFile(folder.resolve("model_index.json"))) {
      throw LongtakeException.invalidField(
          "model",
          "Expected a model folder with a model_index.json at %s, but %s; name another with --model"
              .formatted(
                  folder,
                  Files.isDirectory(folder)
                      ? "there is no such file in the folder"
                      : "there is no such folder"));
    }
    return folder.toAbsolutePath();
  }
}
