package dev.longtake.ops.model;

import com.google.gson.GsonBuilder;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import dev.longtake.common.checkpoint.SafetensorsWriter;
import dev.longtake.common.checkpoint.ShardedSafetensorsWriter;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.model.DitConfig;
import dev.longtake.common.tensor.DType;
import dev.longtake.worker.engine.model.CatalogModel;
import dev.longtake.worker.engine.model.ModelCatalog;
import dev.longtake.worker.engine.model.Rotary;
import dev.longtake.worker.engine.program.Program;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;

/**
 * A diffusion transformer with random weights: whatever its configuration asks for, under the names that its checkpoints use.
 * Weights are scaled by their inputs, so that activations stay about as large as in a trained model. The same seed gives the same
 * bytes.
 */
public final class RandomModel {
  /** As much as Hugging Face's libraries put into one file by default. */
  public static final long SHARD_BYTES = 1L << 30;

  private static final float BIAS_DEVIATION = 0.02f;
  private static final float NORM_DEVIATION = 0.1f;
  private static final String CONFIG = "config.json";
  private static final String STDIT3_FULL = "stdit3-full.json";

  private final JsonObject config;
  private final CatalogModel model;
  private final Program program;

  private RandomModel(JsonObject config, CatalogModel model) {
    this.config = config;
    this.model = model;
    program = Program.compile(model.description(), /* sequenceRanks= */ 1);
  }

  /**
   * The model of a configuration.
   *
   * @param file what error messages call it
   * @throws LongtakeException INVALID_MODEL when it names no known architecture, or a value is missing or impossible
   */
  public static RandomModel of(Path file, JsonObject config) {
    return new RandomModel(
        config.deepCopy(), ModelCatalog.describe(DitConfig.of(file, config), Set.of()));
  }

  /** The model of a {@code config.json}. */
  public static RandomModel read(Path file) {
    return of(file, DitConfig.read(file).json());
  }

  /** STDiT3-XL/2 with the sizes of Open-Sora 1.2 (hpcai-tech/OpenSora-STDiT-v3): 1.1 billion parameters. */
  public static RandomModel stdit3Full() {
    return of(Path.of(STDIT3_FULL), stdit3FullConfig());
  }

  /** The configuration of {@link #stdit3Full()}, for models that differ from it in some sizes; the caller's to change. */
  public static JsonObject stdit3FullConfig() {
    try (InputStream in =
        Objects.requireNonNull(RandomModel.class.getResourceAsStream(STDIT3_FULL), STDIT3_FULL)) {
      return JsonParser.parseReader(new InputStreamReader(in, StandardCharsets.UTF_8))
          .getAsJsonObject();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** What one worker runs. */
  public Program program() {
    return program;
  }

  /** How many numbers the weights are. */
  public long parameters() {
    return tensors().values().stream()
        .mapToLong(shape -> shape.stream().reduce(1L, Math::multiplyExact))
        .sum();
  }

  private Map<String, List<Long>> tensors() {
    return FileTensors.of(program, model.names());
  }

  /**
   * Writes {@code config.json}, the weights in several files and their index; takes little memory. Replaces what is there.
   *
   * @param dtype of the weights, F32 or BF16; frequencies are always F32
   * @param maxShardBytes of tensors in one file
   * @return bytes of all tensors
   * @throws LongtakeException INVALID_REQUEST when the disk has not enough room, or the folder can't be written to
   */
  public long write(Path folder, DType dtype, long maxShardBytes, long seed) {
    if (dtype != DType.F32 && dtype != DType.BF16) {
      throw LongtakeException.invalidField(
          "dtype", "Expected weights in F32 or BF16, but got " + dtype);
    }
    ShardedSafetensorsWriter writer = new ShardedSafetensorsWriter(maxShardBytes);
    tensors()
        .forEach((name, shape) ->
            writer.add(name, dtypeOf(name, dtype), shape, contents(name, shape, dtype, seed)));
    try {
      Files.createDirectories(folder);
      requireRoom(folder, writer.sizeBytes());
      Files.writeString(
          folder.resolve(CONFIG),
          new GsonBuilder().setPrettyPrinting().serializeNulls().create().toJson(config) + "\n");
      writer.write(folder);
    } catch (IOException e) {
      throw new LongtakeException(
          ErrorCode.INVALID_REQUEST,
          "Expected to write a model to %s, but the system says: %s".formatted(folder, e),
          e);
    }
    return writer.sizeBytes();
  }

  private static void requireRoom(Path folder, long sizeBytes) throws IOException {
    long free = Files.getFileStore(folder).getUsableSpace();
    if (free < sizeBytes) {
      throw new LongtakeException(
          ErrorCode.INVALID_REQUEST,
          "Expected room for %d bytes of weights in %s, but %d are free; choose another folder or a smaller type"
              .formatted(sizeBytes, folder, free));
    }
  }

  private boolean isFrequencies(String name) {
    return model.description().rotary() instanceof Rotary.Frames(String frequencies)
        && frequencies.equals(name);
  }

  private DType dtypeOf(String name, DType dtype) {
    return isFrequencies(name) ? DType.F32 : dtype;
  }

  private SafetensorsWriter.Contents contents(
      String name, List<Long> shape, DType dtype, long seed) {
    if (isFrequencies(name)) {
      return new Frequencies(shape.getFirst());
    }
    if (shape.size() > 1) {
      long inputs = shape.stream().skip(1).reduce(1L, Math::multiplyExact);
      return RandomTensor.of(name, seed, dtype, 0, (float) (1 / Math.sqrt((double) inputs)));
    }
    return name.endsWith(".bias")
        ? RandomTensor.of(name, seed, dtype, 0, BIAS_DEVIATION)
        : RandomTensor.of(name, seed, dtype, 1, NORM_DEVIATION);
  }
}
