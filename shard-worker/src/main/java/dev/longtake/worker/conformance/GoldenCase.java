package dev.longtake.worker.conformance;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import dev.longtake.common.checkpoint.SafetensorsFile;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.model.ModelFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A case folder of reference data: {@code config.json}, {@code manifest.json}, {@code inputs.safetensors}, {@code
 * outputs.safetensors} and, for models, weights. Owns the open files.
 */
final class GoldenCase implements AutoCloseable {
  private final Path folder;
  private final JsonObject config;
  private final JsonObject manifest;
  private final SafetensorsFile inputs;
  private final SafetensorsFile outputs;

  private GoldenCase(
      Path folder,
      JsonObject config,
      JsonObject manifest,
      SafetensorsFile inputs,
      SafetensorsFile outputs) {
    this.folder = folder;
    this.config = config;
    this.manifest = manifest;
    this.inputs = inputs;
    this.outputs = outputs;
  }

  /**
   * Opens a case.
   *
   * @throws LongtakeException INVALID_MODEL or INVALID_CHECKPOINT when it can't be read
   */
  static GoldenCase open(Path folder) {
    if (!Files.isDirectory(folder)) {
      throw invalid(
          "Expected a case folder at %s, but there is none; check the path".formatted(folder),
          null);
    }
    JsonObject config = json(folder.resolve("config.json"));
    JsonObject manifest = json(folder.resolve("manifest.json"));
    SafetensorsFile inputs = SafetensorsFile.open(folder.resolve("inputs.safetensors"));
    try {
      SafetensorsFile outputs = SafetensorsFile.open(folder.resolve("outputs.safetensors"));
      return new GoldenCase(folder, config, manifest, inputs, outputs);
    } catch (LongtakeException e) {
      inputs.close();
      throw e;
    }
  }

  private static JsonObject json(Path file) {
    try {
      return JsonParser.parseString(Files.readString(file)).getAsJsonObject();
    } catch (IOException | JsonParseException | IllegalStateException e) {
      throw invalid(
          "Expected a JSON object in %s, but it can't be read (%s); complete the case folder"
              .formatted(file, e.getMessage()),
          e);
    }
  }

  private static LongtakeException invalid(String message, @Nullable Throwable cause) {
    return new LongtakeException(ErrorCode.INVALID_MODEL, message, cause);
  }

  Path folder() {
    return folder;
  }

  String name() {
    return folder.toAbsolutePath().normalize().getFileName().toString();
  }

  /** What the case checks: a sampler's name, a model's class, or "primitives". */
  String kind() {
    if (config.has("sampler")) {
      return "sampler " + config.get("sampler").getAsString();
    }
    JsonElement source = config.get("source");
    if (source != null && source.isJsonObject() && source.getAsJsonObject().has("class")) {
      return source.getAsJsonObject().get("class").getAsString();
    }
    return "primitives";
  }

  /** The architecture of the model that a sampler's case runs on; empty where it has none. */
  Optional<String> samplerModel() {
    return config.has("model")
        ? Optional.of(ModelFolder.open(folder).dit().architecture())
        : Optional.empty();
  }

  /** A copy of the case's configuration. */
  JsonObject config() {
    return config.deepCopy();
  }

  /** Runs in the order of the manifest. */
  List<GoldenRun> runs() {
    JsonElement runs = manifest.get("runs");
    if (runs == null || !runs.isJsonObject()) {
      throw invalid(
          "Expected an object 'runs' in %s, but there is none"
              .formatted(folder.resolve("manifest.json")),
          null);
    }
    List<GoldenRun> all = new ArrayList<>();
    runs.getAsJsonObject()
        .entrySet()
        .forEach(entry ->
            all.add(
                new GoldenRun(
                    folder, entry.getKey(), entry.getValue().getAsJsonObject(), inputs, outputs)));
    return all;
  }

  @Override
  public void close() {
    inputs.close();
    outputs.close();
  }
}
