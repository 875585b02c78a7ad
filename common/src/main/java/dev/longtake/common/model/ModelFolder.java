package dev.longtake.common.model;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/**
 * A model on disk. Either a whole one, whose {@code model_index.json} names its parts and holds its defaults, or a
 * diffusion transformer alone: {@code config.json} beside its weights, or a {@code config.json} that holds the
 * configuration as {@code model} and the path of the weights as {@code weights}, or a folder of diffusers, of which the
 * part {@code transformer} is taken, or weights without any configuration, in a folder or as a file by itself.
 *
 * @param root the folder, absolute; for a file by itself the folder that it is in
 * @param dit the diffusion transformer's configuration; {@link DitConfig#isAbsent absent} when there are only weights
 * @param ditWeights a file that exists, or the index of several; it is not opened yet
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

  /** What the files of diffusers have and ours don't. */
  static final String DIFFUSERS_CLASS = "_class_name";

  /**
   * Finds out what the folder holds, or takes a file as weights by themselves.
   *
   * @throws dev.longtake.common.error.LongtakeException INVALID_MODEL when the folder or a file in it is missing, or a
   *     key of a configuration is missing, of the wrong type, or contradicts another
   */
  public static ModelFolder open(Path folder) {
    // Absolute, so that "." has a name, and a path that leaves the folder can be told from one that
    // does not.
    Path root = folder.toAbsolutePath().normalize();
    if (Files.isRegularFile(root) && WeightFiles.isWeights(root)) {
      return bare(
          Objects.requireNonNull(root.getParent()), name(root), DitConfig.absent(root), root);
    }
    if (!Files.isDirectory(root)) {
      throw JsonFields.invalid(
          "Expected a model folder, or a file *.safetensors, *.index.json, *.pt, *.pth or *.bin, at %s, but there is %s; check the path"
              .formatted(root, Files.exists(root) ? "a file of another kind" : "nothing"),
          null);
    }
    if (Files.isRegularFile(root.resolve(INDEX))) {
      JsonFields index = JsonFields.read(root.resolve(INDEX));
      return index.has(DIFFUSERS_CLASS) ? openDiffusers(root) : new ModelIndex(root, index).open();
    }
    if (Files.isRegularFile(root.resolve(CONFIG))) {
      return openBare(root);
    }
    Path weights =
        WeightFiles.find(root)
            .orElseThrow(() ->
                JsonFields.invalid(
                    "Expected %s, %s or weights in the model folder %s, but it has neither; check the path"
                        .formatted(INDEX, CONFIG, root),
                    null));
    return bare(root, name(root), DitConfig.absent(weights), weights);
  }

  /** Its other parts have formats that are not read. */
  private static ModelFolder openDiffusers(Path root) {
    Path transformer = root.resolve("transformer");
    return bare(
        root,
        name(root),
        DitConfig.read(transformer.resolve(CONFIG)),
        WeightFiles.require(transformer));
  }

  private static ModelFolder openBare(Path root) {
    JsonFields config = JsonFields.read(root.resolve(CONFIG));
    Optional<Path> shared =
        config
            .string("weights")
            .map(path -> JsonFields.requireFile(root.resolve(path).normalize()));
    DitConfig dit = DitConfig.of(shared.isPresent() ? config.requireObject("model") : config);
    return bare(root, name(root), dit, shared.orElseGet(() -> WeightFiles.require(root)));
  }

  private static ModelFolder bare(Path root, String name, DitConfig dit, Path weights) {
    ModelDefaults defaults = ModelDefaults.bare(dit);
    return new ModelFolder(
        root,
        name,
        dit,
        weights,
        Optional.empty(),
        Optional.empty(),
        defaults,
        ModelIndex.defaultLimits(defaults.spatialCompression()));
  }

  /** What it lacks to make videos of prompts, in words; empty: nothing. */
  public Optional<String> lacking() {
    List<String> parts = new ArrayList<>();
    if (textEncoder.isEmpty()) {
      parts.add("text encoder");
    }
    if (vae.isEmpty()) {
      parts.add("autoencoder");
    }
    return parts.isEmpty() ? Optional.empty() : Optional.of(String.join(" and no ", parts));
  }

  private static String name(Path path) {
    return String.valueOf(path.getFileName());
  }
}
