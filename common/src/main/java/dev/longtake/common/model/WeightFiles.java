package dev.longtake.common.model;

import dev.longtake.common.checkpoint.Checkpoints;
import dev.longtake.common.error.Quoted;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Finds the weights in a folder by the names that training scripts and Hugging Face's libraries give them. */
final class WeightFiles {
  /** In this order; each may also be in several files, of which an index is found by the same name. */
  private static final List<String> USUAL =
      List.of(
          "weights.safetensors",
          "model.safetensors",
          "diffusion_pytorch_model.safetensors",
          "pytorch_model.bin");

  private static final String INDEX_SUFFIX = ".index.json";

  /** What else may be weights, most trusted format first. */
  private static final List<List<String>> SUFFIXES =
      List.of(List.of(INDEX_SUFFIX), List.of(".safetensors"), List.of(".pt", ".pth", ".bin"));

  private WeightFiles() {}

  /** Whether a single file may be weights, by its name. */
  static boolean isWeights(Path file) {
    return SUFFIXES.stream().anyMatch(suffixes -> endsWithOneOf(file, suffixes));
  }

  /**
   * The weights of a folder: one file, or the index of several.
   *
   * @throws dev.longtake.common.error.LongtakeException INVALID_MODEL when there are none, or several and none has a
   *     usual name
   */
  static Path require(Path folder) {
    return find(folder)
        .orElseThrow(() ->
            JsonFields.invalid(
                "Expected %s or model.safetensors in %s, or an index of several, or one file *.safetensors, *.pt, *.pth or *.bin, but it has neither; complete the model folder"
                    .formatted(USUAL.getFirst(), folder),
                null));
  }

  /** The same; absent when there are none. */
  static Optional<Path> find(Path folder) {
    return USUAL.stream()
        .flatMap(name -> Stream.of(folder.resolve(name), folder.resolve(name + INDEX_SUFFIX)))
        .filter(Files::isRegularFile)
        .findFirst()
        .or(() -> only(folder));
  }

  private static Optional<Path> only(Path folder) {
    for (List<String> suffixes : SUFFIXES) {
      List<Path> files = list(folder, suffixes);
      if (files.size() > 1) {
        throw JsonFields.invalid(
            "Expected one file with weights in %s, but there are %d: %s; name one of them instead of the folder, or call it %s"
                .formatted(
                    folder,
                    files.size(),
                    files.stream()
                        .map(file -> Quoted.of(file.getFileName().toString()))
                        .limit(5)
                        .collect(Collectors.joining(", ")),
                    Checkpoints.isIndex(files.getFirst())
                        ? USUAL.getFirst() + INDEX_SUFFIX
                        : "weights" + suffixes.getFirst()),
            null);
      }
      if (!files.isEmpty()) {
        return Optional.of(files.getFirst());
      }
    }
    return Optional.empty();
  }

  private static List<Path> list(Path folder, List<String> suffixes) {
    try (Stream<Path> files = Files.list(folder)) {
      return files
          .filter(file -> endsWithOneOf(file, suffixes))
          .filter(Files::isRegularFile)
          .sorted()
          .toList();
    } catch (IOException e) {
      throw JsonFields.invalid(
          "Expected to list " + folder + ", but the system says: " + e.getMessage(), e);
    }
  }

  private static boolean endsWithOneOf(Path file, List<String> suffixes) {
    return suffixes.stream().anyMatch(String.valueOf(file.getFileName())::endsWith);
  }
}
