package dev.longtake.ops.launcher;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** The demo model, and copies of it to spoil. */
final class TestModels {
  /** The root of the repository. */
  static final Path ROOT =
      Path.of(System.getProperty("longtake.root", "../..")).toAbsolutePath().normalize();

  static final Path DEMO = ROOT.resolve("ops/demo-model");

  private static final List<String> PARTS =
      List.of(
          "model_index.json",
          "dit/config.json",
          "dit/model.safetensors",
          "text_encoder/config.json",
          "text_encoder/model.safetensors",
          "text_encoder/tokenizer.json",
          "text_encoder/model.onnx",
          "vae/config.json",
          "vae/model.safetensors",
          "vae/decoder.onnx",
          "vae/encoder.onnx");

  private TestModels() {}

  /** The demo model's parts in a new folder. */
  static Path copy(Path folder) {
    try {
      for (String part : PARTS) {
        Path target = folder.resolve(part);
        Files.createDirectories(target.getParent());
        Files.copy(DEMO.resolve(part), target);
      }
      return folder;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The weights of a copy's transformer. */
  static Path weights(Path model) {
    return model.resolve("dit/model.safetensors");
  }
}
