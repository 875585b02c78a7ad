package dev.longtake.common.checkpoint;

import com.google.gson.Strictness;
import com.google.gson.stream.JsonReader;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.error.Quoted;
import java.io.IOException;
import java.io.StringReader;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * A checkpoint in several files, with an index that says which tensor is in which, as Hugging Face's libraries write it:
 * {@code {"weight_map": {"tensor": "file beside the index"}}}. Index and files must agree completely.
 */
public final class ShardedCheckpoint implements Checkpoint {
  private static final String WEIGHT_MAP = "weight_map";

  /** As much as the header of one file may have. */
  private static final long MAX_INDEX_BYTES = SafetensorsHeader.MAX_HEADER_BYTES;

  private final Path index;
  private final SortedMap<String, Checkpoint> shardOf;
  private final List<Checkpoint> shards;

  private ShardedCheckpoint(
      Path index, SortedMap<String, Checkpoint> shardOf, List<Checkpoint> shards) {
    this.index = index;
    this.shardOf = Collections.unmodifiableSortedMap(shardOf);
    this.shards = shards;
  }

  /**
   * Opens the index and every file that it names.
   *
   * @param index a {@code *.index.json}
   * @throws LongtakeException INVALID_CHECKPOINT when one of them is missing or damaged, or they contradict each other
   */
  public static ShardedCheckpoint open(Path index) {
    SortedMap<String, String> fileOf = readIndex(index);
    Map<String, Checkpoint> shards = new HashMap<>();
    try {
      SortedMap<String, Checkpoint> shardOf = new TreeMap<>();
      fileOf.forEach((tensor, file) ->
          shardOf.put(
              tensor,
              shards.computeIfAbsent(
                  file, name -> Checkpoints.openFile(shardPath(index, tensor, name)))));
      shards.forEach((file, shard) -> requireAgreement(index, fileOf, file, shard));
      return new ShardedCheckpoint(index, shardOf, List.copyOf(shards.values()));
    } catch (Throwable e) {
      shards.values().forEach(Checkpoint::close);
      throw e;
    }
  }

  /**
   * The files that an index names, without opening them.
   *
   * @throws LongtakeException INVALID_CHECKPOINT when one of them is missing, or the index is damaged
   */
  public static List<Path> files(Path index) {
    SortedMap<Path, String> files = new TreeMap<>();
    readIndex(index).forEach((tensor, file) -> files.put(shardPath(index, tensor, file), tensor));
    return List.copyOf(files.keySet());
  }

  /** An existing file beside the index: a checkpoint from elsewhere has no business outside its folder. */
  private static Path shardPath(Path index, String tensor, String name) {
    // Both separators, so that an index means the same everywhere.
    if (name.isEmpty()
        || name.equals(".")
        || name.equals("..")
        || name.chars().anyMatch(c -> c == '/' || c == '\\' || c == ':' || c == 0)) {
      throw invalid(
          index,
          "the name of a file beside it as place of tensor " + Quoted.of(tensor),
          "it is " + Quoted.of(name) + "; correct the index",
          null);
    }
    Path shard = index.resolveSibling(name);
    if (!Files.isRegularFile(shard)) {
      throw invalid(
          index,
          "the file %s with tensor %s beside it".formatted(Quoted.of(name), Quoted.of(tensor)),
          "there is none; fetch the missing file",
          null);
    }
    return shard;
  }

  private static void requireAgreement(
      Path index, SortedMap<String, String> fileOf, String file, Checkpoint shard) {
    Set<String> lacking = new TreeSet<>();
    fileOf.forEach((tensor, place) -> {
      if (place.equals(file) && shard.info(tensor).isEmpty()) {
        lacking.add(tensor);
      }
    });
    for (String tensor : lacking) {
      throw invalid(
          index,
          "a tensor %s in %s, as it is said".formatted(Quoted.of(tensor), shard.location()),
          "it is missing there; fetch both files again",
          null);
    }
    for (String tensor : shard.names()) {
      String place = fileOf.get(tensor);
      if (!file.equals(place)) {
        throw invalid(
            index,
            "the place of tensor %s to be %s, where it is"
                .formatted(Quoted.of(tensor), Quoted.of(file)),
            (place == null ? "the index lacks it" : "it is said to be in " + Quoted.of(place))
                + "; fetch both files again",
            null);
      }
    }
  }

  private static SortedMap<String, String> readIndex(Path index) {
    FileMapping.requireFile(index, "checkpoint's index");
    try {
      long sizeBytes = Files.size(index);
      if (sizeBytes > MAX_INDEX_BYTES) {
        throw invalid(
            index,
            "at most %d bytes".formatted(MAX_INDEX_BYTES),
            "it has %d; check the path".formatted(sizeBytes),
            null);
      }
      return parse(index, Files.readString(index));
    } catch (CharacterCodingException e) {
      throw invalid(index, "UTF-8", "it has other bytes; fetch the file again", e);
    } catch (IOException e) {
      throw FileMapping.unreadable(index.toString(), e);
    }
  }

  private static SortedMap<String, String> parse(Path index, String text) {
    SortedMap<String, String> fileOf = new TreeMap<>();
    try (JsonReader reader = new JsonReader(new StringReader(text))) {
      reader.setStrictness(Strictness.STRICT);
      reader.beginObject();
      while (reader.hasNext()) {
        if (reader.nextName().equals(WEIGHT_MAP)) {
          readWeightMap(index, reader, fileOf);
        } else {
          reader.skipValue();
        }
      }
      reader.endObject();
    } catch (IOException | IllegalStateException e) {
      // What the reader throws where the text is no JSON, or has another type than expected. Its
      // messages have line breaks and a link.
      String reason = String.valueOf(e.getMessage()).lines().findFirst().orElse("");
      throw invalid(
          index,
          "an object of strings as " + WEIGHT_MAP,
          Quoted.line(reason) + "; fetch the file again",
          e);
    }
    if (fileOf.isEmpty()) {
      throw invalid(
          index, "tensors in its " + WEIGHT_MAP, "there are none; fetch the file again", null);
    }
    return fileOf;
  }

  private static void readWeightMap(Path index, JsonReader reader, SortedMap<String, String> fileOf)
      throws IOException {
    reader.beginObject();
    while (reader.hasNext()) {
      String tensor = reader.nextName();
      if (fileOf.put(tensor, reader.nextString()) != null) {
        throw invalid(
            index,
            "each tensor once in its " + WEIGHT_MAP,
            Quoted.of(tensor) + " is there twice; fetch the file again",
            null);
      }
    }
    reader.endObject();
  }

  private static LongtakeException invalid(
      Path index, String expected, String found, @Nullable Throwable cause) {
    return new LongtakeException(
        ErrorCode.INVALID_CHECKPOINT,
        "Expected %s in the index %s, but %s".formatted(expected, index, found),
        cause);
  }

  @Override
  public String location() {
    return index.toString();
  }

  @Override
  public Set<String> names() {
    return shardOf.keySet();
  }

  @Override
  public Optional<TensorInfo> info(String name) {
    return Optional.ofNullable(shardOf.get(name)).flatMap(shard -> shard.info(name));
  }

  @Override
  public MemorySegment bytes(String name, Arena arena) {
    Checkpoint shard = shardOf.get(name);
    if (shard == null) {
      throw Float32Tensors.missing(this, name);
    }
    return shard.bytes(name, arena);
  }

  @Override
  public void close() {
    shards.forEach(Checkpoint::close);
  }
}
