package dev.longtake.common.checkpoint;

import com.google.gson.GsonBuilder;
import com.google.gson.JsonObject;
import dev.longtake.common.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/**
 * Writes tensors as several safetensors files with an index, under the names that Hugging Face's libraries give them. No tensor is
 * held in memory, so a checkpoint may be larger than that. Not for several threads at once.
 */
public final class ShardedSafetensorsWriter {
  /** What the index is called; beside it are {@code model-00001-of-00003.safetensors} and so on. */
  public static final String INDEX = "model.safetensors.index.json";

  private final long maxShardBytes;
  private final List<SafetensorsWriter.Tensor> tensors = new ArrayList<>();
  private final Set<String> names = new HashSet<>();

  /**
   * A writer without tensors.
   *
   * @param maxShardBytes of tensors in one file; one tensor that is larger gets a file of its own
   */
  public ShardedSafetensorsWriter(long maxShardBytes) {
    if (maxShardBytes < 1) {
      throw new IllegalArgumentException(
          "Expected files of at least 1 byte, but got " + maxShardBytes);
    }
    this.maxShardBytes = maxShardBytes;
  }

  /**
   * Adds a tensor behind those that were added before.
   *
   * @param contents asked when the files are written
   * @throws IllegalArgumentException when the name is taken or reserved
   */
  public ShardedSafetensorsWriter add(
      String name, DType dtype, List<Long> shape, SafetensorsWriter.Contents contents) {
    if (!names.add(name)) {
      throw new IllegalArgumentException("Expected each name once, but got " + name + " again");
    }
    tensors.add(new SafetensorsWriter.Tensor(name, dtype, shape, contents));
    return this;
  }

  /** Bytes of all tensors. */
  public long sizeBytes() {
    return tensors.stream().mapToLong(SafetensorsWriter.Tensor::sizeBytes).sum();
  }

  /**
   * Writes the files, the index last, replacing those that are there.
   *
   * @param folder that exists
   * @return the index
   */
  public Path write(Path folder) throws IOException {
    List<List<SafetensorsWriter.Tensor>> shards = shards();
    JsonObject places = new JsonObject();
    for (int i = 0; i < shards.size(); i++) {
      String file =
          String.format(Locale.ROOT, "model-%05d-of-%05d.safetensors", i + 1, shards.size());
      // What Hugging Face's loaders ask for.
      SafetensorsWriter writer = new SafetensorsWriter().metadata("format", "pt");
      for (SafetensorsWriter.Tensor tensor : shards.get(i)) {
        writer.add(tensor);
        places.addProperty(tensor.name(), file);
      }
      writer.write(folder.resolve(file));
    }
    JsonObject metadata = new JsonObject();
    metadata.addProperty("total_size", sizeBytes());
    JsonObject index = new JsonObject();
    index.add("metadata", metadata);
    index.add("weight_map", places);
    Path file = folder.resolve(INDEX);
    Files.writeString(
        file,
        new GsonBuilder().setPrettyPrinting().disableHtmlEscaping().create().toJson(index) + "\n");
    return file;
  }

  private List<List<SafetensorsWriter.Tensor>> shards() {
    List<List<SafetensorsWriter.Tensor>> shards = new ArrayList<>();
    long usedBytes = 0;
    for (SafetensorsWriter.Tensor tensor : tensors) {
      if (shards.isEmpty() || usedBytes + tensor.sizeBytes() > maxShardBytes) {
        shards.add(new ArrayList<>());
        usedBytes = 0;
      }
      shards.getLast().add(tensor);
      usedBytes += tensor.sizeBytes();
    }
    return shards;
  }
}
