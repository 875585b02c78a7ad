package dev.longtake.ops.launcher;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import dev.longtake.common.tensor.DType;
import dev.longtake.ops.model.RandomModel;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

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

  /** A copy of the demo model with another transformer and the sampler that goes with it. */
  static Path withTransformer(Path folder, String scheduler, int guidedChannels, String config)
      throws IOException {
    Path model = copy(folder);
    Path dit = model.resolve("dit");
    try (Stream<Path> files = Files.list(dit)) {
      for (Path file : files.toList()) {
        Files.delete(file);
      }
    }
    RandomModel.of(Path.of("config.json"), JsonParser.parseString(config).getAsJsonObject())
        .write(dit, DType.F32, RandomModel.SHARD_BYTES, 1);
    Path file = model.resolve("model_index.json");
    JsonObject index = JsonParser.parseString(Files.readString(file)).getAsJsonObject();
    index.addProperty("scheduler", scheduler);
    index.addProperty("guided_channels", guidedChannels);
    index.addProperty("cfg_scale", 4);
    try (Stream<Path> files = Files.list(dit)) {
      JsonObject part = new JsonObject();
      for (Path written : files.toList()) {
        String name = String.valueOf(written.getFileName());
        part.addProperty(name.equals("config.json") ? "config" : "weights", "dit/" + name);
      }
      index.add("dit", part);
    }
    Files.writeString(file, index.toString());
    return model;
  }
}
