package dev.longtake.common.checkpoint;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import dev.longtake.common.tensor.DType;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.TreeMap;

/**
 * Collects tensors and writes them as one safetensors file. The same tensors give the same bytes, in whatever order they
 * were added. Not for several threads at once.
 */
public final class SafetensorsWriter {
  private static final int CHUNK_BYTES = 1 << 20;

  /** The header is padded to this, so that every tensor is aligned to its element size. */
  private static final int HEADER_ALIGNMENT_BYTES = 8;

  private record Tensor(String name, DType dtype, List<Long> shape, MemorySegment bytes) {}

  private final TreeMap<String, Tensor> tensors = new TreeMap<>();
  private final TreeMap<String, String> metadata = new TreeMap<>();

  /** Adds an entry to the file's {@code __metadata__}. */
  public SafetensorsWriter metadata(String key, String value) {
    metadata.put(key, value);
    return this;
  }

  /**
   * Adds a tensor. Its bytes are read when the file is written.
   *
   * @param bytes row-major, little-endian, of exactly the shape's size
   * @throws IllegalArgumentException when the size is another, or the name is taken or reserved
   */
  public SafetensorsWriter add(String name, DType dtype, List<Long> shape, MemorySegment bytes) {
    long sizeBytes = dtype.sizeBytes();
    for (long extent : shape) {
      sizeBytes = Math.multiplyExact(sizeBytes, extent);
    }
    if (sizeBytes != bytes.byteSize()) {
      throw new IllegalArgumentException(
          "Expected %d bytes for %s %s %s, but got %d"
              .formatted(sizeBytes, name, dtype, shape, bytes.byteSize()));
    }
    if (name.equals(SafetensorsHeader.METADATA)) {
      throw new IllegalArgumentException("Expected a tensor's name, but got the reserved " + name);
    }
    if (tensors.putIfAbsent(name, new Tensor(name, dtype, List.copyOf(shape), bytes)) != null) {
      throw new IllegalArgumentException("Expected each name once, but got " + name + " again");
    }
    return this;
  }

  /** Adds a float32 tensor. */
  public SafetensorsWriter addF32(String name, float[] values, long... shape) {
    ByteBuffer bytes =
        ByteBuffer.allocate(Math.multiplyExact(values.length, Float.BYTES))
            .order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(values);
    return add(
        name,
        DType.F32,
        Arrays.stream(shape).boxed().toList(),
        MemorySegment.ofArray(bytes.array()));
  }

  /** Writes the file, replacing one that is there. */
  public void write(Path file) throws IOException {
    // Wide elements first, so that each tensor starts at a multiple of its element size.
    List<Tensor> ordered = new ArrayList<>(tensors.values());
    ordered.sort(
        Comparator.comparingInt((Tensor t) -> -t.dtype().sizeBytes()).thenComparing(Tensor::name));
    try (FileChannel channel =
        FileChannel.open(
            file,
            StandardOpenOption.CREATE,
            StandardOpenOption.WRITE,
            StandardOpenOption.TRUNCATE_EXISTING)) {
      writeAll(channel, ByteBuffer.wrap(header(ordered)));
      ByteBuffer chunk = ByteBuffer.allocate(CHUNK_BYTES);
      for (Tensor tensor : ordered) {
        writeBytes(channel, chunk, tensor.bytes());
      }
    }
  }

  /** The length and the padded JSON. */
  private byte[] header(List<Tensor> ordered) {
    JsonObject root = new JsonObject();
    if (!metadata.isEmpty()) {
      JsonObject entries = new JsonObject();
      metadata.forEach(entries::addProperty);
      root.add(SafetensorsHeader.METADATA, entries);
    }
    long offsetBytes = 0;
    for (Tensor tensor : ordered) {
      JsonObject entry = new JsonObject();
      entry.addProperty("dtype", tensor.dtype().name());
      entry.add("shape", array(tensor.shape()));
      long end = offsetBytes + tensor.bytes().byteSize();
      entry.add("data_offsets", array(List.of(offsetBytes, end)));
      root.add(tensor.name(), entry);
      offsetBytes = end;
    }
    byte[] json = root.toString().getBytes(StandardCharsets.UTF_8);
    int padded = Math.ceilDiv(json.length, HEADER_ALIGNMENT_BYTES) * HEADER_ALIGNMENT_BYTES;
    byte[] header = new byte[SafetensorsHeader.LENGTH_BYTES + padded];
    ByteBuffer buffer = ByteBuffer.wrap(header).order(ByteOrder.LITTLE_ENDIAN);
    buffer.putLong(padded).put(json);
    Arrays.fill(header, buffer.position(), header.length, (byte) ' ');
    return header;
  }

  private static JsonArray array(List<Long> numbers) {
    JsonArray array = new JsonArray();
    numbers.forEach(array::add);
    return array;
  }

  private static void writeBytes(FileChannel channel, ByteBuffer chunk, MemorySegment bytes)
      throws IOException {
    for (long at = 0; at < bytes.byteSize(); at += CHUNK_BYTES) {
      int length = (int) Math.min(CHUNK_BYTES, bytes.byteSize() - at);
      chunk.clear().limit(length);
      MemorySegment.copy(bytes, at, MemorySegment.ofBuffer(chunk), 0, length);
      writeAll(channel, chunk);
    }
  }

  private static void writeAll(FileChannel channel, ByteBuffer bytes) throws IOException {
    while (bytes.hasRemaining()) {
      channel.write(bytes);
    }
  }
}
