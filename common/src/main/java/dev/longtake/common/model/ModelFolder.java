package dev.longtake.common.model;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/**
 * A model on disk. Either a whole one, whose {@code model_index.json} names its parts and holds its defaults, or a
 * diffusion transformer alone: {@code config.json} beside {@code weights.safetensors} or {@code model.safetensors}, or a
 * {@code config.json} that holds the configuration as {@code model} and the path of the weights as {@code weights}.
 *
 * @param root the folder, absolute
 * @param dit the diffusion transformer's configuration
 * @param ditWeights a safetensors file that exists; it is not opened yet
 * @param textEncoder absent when the folder has none
 * @param vae absent when the folder has none
 */
public record ModelFolder(
    Path root,
    String name,
    DitConfig dit,
    Path ditWeights,
    Optional<TextEncoderFiles> textEncoder,
    Optional<VaeFiles> vae,
    ModelDefaults defaults,
    ModelLimits limits) {
  static final String INDEX = "model_index.json";
  static final String CONFIG = "config.json";

  /**
   * Finds out what the folder holds.
   *
   * @throws dev.longtake.common.error.LongtakeException INVALID_MODEL when the folder or a file in it is missing, or a
   *     key of a configuration is missing, of the wrong type, or contradicts another
   */
  public static ModelFolder open(Path folder) {
    // Absolute, so that "." has a name, and a path that leaves the folder can be told from one that
    // does not.
    Path root = folder.toAbsolutePath().normalize();
    if (!Files.isDirectory(root)) {
      throw JsonFields.invalid(
          "Expected a model folder at %s, but there is %s; check the path"
              .formatted(root, Files.exists(root) ? "a file" : "nothing"),
          null);
    }
    if (Files.isRegularFile(root.resolve(INDEX))) {
      return new ModelIndex(root, JsonFields.read(root.resolve(INDEX))).open();
    }
    if (Files.isRegularFile(root.resolve(CONFIG))) {
      return openBare(root);
    }
    throw JsonFields.invalid(
        "Expected %s or %s in the model folder %s, but it has neither; check the path"
            .formatted(INDEX, CONFIG, root),
        null);
  }

  private static ModelFolder openBare(Path root) {
    JsonFields config = JsonFields.read(root.resolve(CONFIG));
    Optional<Path> shared =
        config
            .string("weights")
            .map(path -> JsonFields.requireFile(root.resolve(path).normalize()));
    DitConfig dit = DitConfig.of(shared.isPresent() ? config.requireObject("model") : config);
    ModelDefaults defaults = ModelDefaults.bare(dit);
    return new ModelFolder(
        root,
        String.valueOf(root.getFileName()),
        dit,
        shared.orElseGet(() -> bareWeights(root)),
        Optional.empty(),
        Optional.empty(),
        defaults,
        ModelIndex.defaultLimits(defaults.spatialCompression()));
  }

  private static Path bareWeights(Path root) {
    Path weights = root.resolve("weights.safetensors");
    Path model = root.resolve("model.safetensors");
    if (Files.isRegularFile(weights)) {
      return weights;
    }
    if (Files.isRegularFile(model)) {
      return model;
    }
    throw JsonFields.invalid(
        "Expected weights.safetensors or model.safetensors in %s, but it has neither; complete the model folder"
            .formatted(root),
        null);
  }
}
