package dev.longtake.ops.bench;

import com.google.gson.GsonBuilder;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import dev.longtake.common.checkpoint.ShardedSafetensorsWriter;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.tensor.DType;
import dev.longtake.ops.model.RandomModel;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** Whole model folders, as clusters serve them: the text encoder and the autoencoder of one that is there, around random weights. */
final class WholeModel {
  private static final String INDEX = "model_index.json";
  private static final List<String> KEPT = List.of("text_encoder", "vae");

  private WholeModel() {}

  /** The demo model's folder. */
  static Path demoModel() {
    return home().resolve("ops").resolve("demo-model");
  }

  /** The folder of the {@code longtake} script that was started. */
  static Path home() {
    String home = System.getProperty("longtake.home");
    if (home == null) {
      throw new LongtakeException(
          ErrorCode.INVALID_REQUEST,
          "Expected to be started by the 'longtake' script, whose folder this benchmark needs, but"
              + " the property longtake.home is not set; start this benchmark with ./longtake"
              + " bench, or give a model's folder with --model");
    }
    return Path.of(home);
  }

  /**
   * Writes one.
   *
   * @param base the folder whose text encoder, autoencoder, sampler and limits it gets
   * @param channels of an STDiT3 that reads this text encoder
   * @param pairs of spatial and temporal blocks
   */
  static void write(Path folder, Path base, int channels, int heads, int pairs) {
    try {
      JsonObject index = read(base.resolve(INDEX));
      JsonObject config =
          read(base.resolve(index.getAsJsonObject("dit").get("config").getAsString()));
      config.addProperty("hidden_size", channels);
      config.addProperty("num_heads", heads);
      config.addProperty("depth", pairs);
      RandomModel.of(Path.of("bench"), config)
          .write(folder.resolve("dit"), DType.F32, RandomModel.SHARD_BYTES, /* seed= */ 1);
      JsonObject dit = new JsonObject();
      dit.addProperty("config", "dit/config.json");
      dit.addProperty("weights", "dit/" + ShardedSafetensorsWriter.INDEX);
      index.add("dit", dit);
      index.addProperty("name", "bench-%d".formatted(channels));
      Files.writeString(
          folder.resolve(INDEX), new GsonBuilder().setPrettyPrinting().create().toJson(index));
      for (String part : KEPT) {
        copy(base.resolve(part), folder.resolve(part));
      }
    } catch (IOException e) {
      throw new UncheckedIOException("Cannot make a model of " + base, e);
    }
  }

  private static JsonObject read(Path file) throws IOException {
    if (!Files.isRegularFile(file)) {
      throw new LongtakeException(
          ErrorCode.INVALID_MODEL,
          "Expected a whole model's folder with a %s, but there is no file %s; correct --model"
              .formatted(INDEX, file));
    }
    return JsonParser.parseString(Files.readString(file)).getAsJsonObject();
  }

  private static void copy(Path from, Path to) throws IOException {
    try (Stream<Path> files = Files.walk(from)) {
      for (Path file : files.toList()) {
        Path target = to.resolve(from.relativize(file).toString());
        if (Files.isDirectory(file)) {
          Files.createDirectories(target);
        } else {
          Files.copy(file, target);
        }
      }
    }
  }
}
