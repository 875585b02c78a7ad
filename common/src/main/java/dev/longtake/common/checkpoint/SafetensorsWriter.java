package dev.longtake.common.checkpoint;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import dev.longtake.common.tensor.DType;
import java.io.IOException;
import java.lang.foreign.Arena;
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

  /** Where a tensor's bytes come from, piece by piece and front to back, when its file is written. */
  @FunctionalInterface
  public interface Contents {
    /**
     * Writes some of the tensor's bytes, row-major and little-endian.
     *
     * @param offsetBytes of the first, a multiple of the element size, as is the target's size
     * @param target filled completely
     */
    void write(long offsetBytes, MemorySegment target);
  }

  /** A tensor to be written. */
  record Tensor(String name, DType dtype, List<Long> shape, Contents contents) {
    /**
     * @throws IllegalArgumentException when the name is reserved
     */
    Tensor {
      shape = List.copyOf(shape);
      if (name.equals(SafetensorsHeader.METADATA)) {
        throw new IllegalArgumentException(
            "Expected a tensor's name, but got the reserved " + name);
      }
    }

    long sizeBytes() {
      return shape.stream().reduce((long) dtype.sizeBytes(), Math::multiplyExact);
    }
  }

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
    Tensor tensor =
        new Tensor(
            name,
            dtype,
            shape,
            (at, target) -> MemorySegment.copy(bytes, at, target, 0, target.byteSize()));
    if (tensor.sizeBytes() != bytes.byteSize()) {
      throw new IllegalArgumentException(
          "Expected %d bytes for %s %s %s, but got %d"
              .formatted(tensor.sizeBytes(), name, dtype, shape, bytes.byteSize()));
    }
    return add(tensor);
  }

  SafetensorsWriter add(Tensor tensor) {
    if (tensors.putIfAbsent(tensor.name(), tensor) != null) {
      throw new IllegalArgumentException(
          "Expected each name once, but got " + tensor.name() + " again");
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
    try (Arena arena = Arena.ofConfined();
        FileChannel channel =
            FileChannel.open(
                file,
                StandardOpenOption.CREATE,
                StandardOpenOption.WRITE,
                StandardOpenOption.TRUNCATE_EXISTING)) {
      writeAll(channel, ByteBuffer.wrap(header(ordered)));
      MemorySegment chunk = arena.allocate(CHUNK_BYTES, Long.BYTES);
      for (Tensor tensor : ordered) {
        writeContents(channel, chunk, tensor);
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
      long end = offsetBytes + tensor.sizeBytes();
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

  private static void writeContents(FileChannel channel, MemorySegment chunk, Tensor tensor)
      throws IOException {
    long sizeBytes = tensor.sizeBytes();
    for (long at = 0; at < sizeBytes; at += CHUNK_BYTES) {
      MemorySegment part = chunk.asSlice(0, Math.min(CHUNK_BYTES, sizeBytes - at));
      tensor.contents().write(at, part);
      writeAll(channel, part.asByteBuffer());
    }
  }

  private static void writeAll(FileChannel channel, ByteBuffer bytes) throws IOException {
    while (bytes.hasRemaining()) {
      channel.write(bytes);
    }
  }
}
