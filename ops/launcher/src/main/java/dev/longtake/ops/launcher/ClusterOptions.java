package dev.longtake.ops.launcher;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.model.ModelFolder;
import dev.longtake.worker.device.DeviceChoice;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
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
      names = "--device",
      paramLabel = "DEVICE",
      defaultValue = "cpu",
      description =
          "What the workers compute with: cpu; cuda, which gives the first worker GPU 0, the second"
              + " GPU 1 and so on; or cuda:INDEX or cuda:UUID, a GPU for all (default:"
              + " ${DEFAULT-VALUE}).")
  String device = "cpu";

  @Option(
      names = "--model",
      paramLabel = "DIR|FILE",
      description = "Folder, or file with weights, of a model (default: the demo model).")
  @Nullable Path model;

  /**
   * The device of each worker, as {@code longtake worker --device} takes it.
   *
   * @throws LongtakeException INVALID_REQUEST
   */
  List<String> requireDevices() {
    if (workers < 1 || workers > MAX_WORKERS) {
      throw LongtakeException.invalidField(
          "workers", "Expected --workers of 1 to %d, but got %d".formatted(MAX_WORKERS, workers));
    }
    var _ = DeviceChoice.parse(device);
    boolean isOneEach = device.equalsIgnoreCase("cuda");
    return IntStream.range(0, workers)
        .mapToObj(worker -> isOneEach ? "cuda:" + worker : device)
        .toList();
  }

  /**
   * The model to serve, which need not be able to make a video by itself.
   *
   * @throws LongtakeException INVALID_REQUEST when there is none, or it can't be read
   */
  ModelFolder requireModel() {
    Path path = model == null ? demoModel() : model;
    try {
      return ModelFolder.open(path);
    } catch (LongtakeException e) {
      throw LongtakeException.invalidField("model", "--model: " + e.getMessage());
    }
  }

  /**
   * A model that makes videos of prompts.
   *
   * @throws LongtakeException INVALID_REQUEST when there is none, or it is a transformer alone
   */
  ModelFolder requireVideoModel() {
    ModelFolder folder = requireModel();
    folder
        .lacking()
        .ifPresent(lacking -> {
          throw LongtakeException.invalidField(
              "model",
              "Expected a model with a text encoder and an autoencoder for a video, but %s has no %s; name both in its model_index.json, or another folder with --model"
                  .formatted(folder.root(), lacking));
        });
    return folder;
  }

  private static Path demoModel() {
    String home = System.getProperty("longtake.home");
    if (home == null) {
      throw LongtakeException.invalidField(
          "model",
          "Expected --model DIR, as the demo model is only found when started by the 'longtake'"
              + " script");
    }
    return Path.of(home, "ops", "demo-model");
  }

  /** What a worker is given: the folder, or the file where weights are by themselves. */
  Path path() {
    return (model == null ? demoModel() : model).toAbsolutePath();
  }
}
