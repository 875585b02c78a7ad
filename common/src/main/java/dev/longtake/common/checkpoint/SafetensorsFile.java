package dev.longtake.common.checkpoint;

import dev.longtake.common.error.LongtakeException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * One safetensors file: eight bytes with the header's length (little-endian), the header in JSON, then
 * the tensors' bytes without gaps. The header is checked completely when the file is opened, so that no later read can
 * leave the file: a checkpoint is foreign input. Tensors are mapped one by one. Files may be larger than 2 GiB.
 */
public final class SafetensorsFile implements Checkpoint {
  private final Path file;
  private final SafetensorsHeader header;

  /** Shared: several threads may ask for bytes. */
  private final Arena arena = Arena.ofShared();

  private final AtomicBoolean closed = new AtomicBoolean();

  private SafetensorsFile(Path file, SafetensorsHeader header) {
    this.file = file;
    this.header = header;
  }

  /**
   * Checks the file's header.
   *
   * @throws LongtakeException INVALID_CHECKPOINT when the file is missing, truncated or contradicts itself
   */
  public static SafetensorsFile open(Path file) {
    FileMapping.requireFile(file, "safetensors file");
    try (Arena opening = Arena.ofConfined()) {
      return new SafetensorsFile(
          file, SafetensorsHeader.parse(file, FileMapping.mapAll(file, opening)));
    }
  }

  @Override
  public String location() {
    return file.toString();
  }

  @Override
  public Set<String> names() {
    return header.tensors().keySet();
  }

  @Override
  public Optional<TensorInfo> info(String name) {
    return Optional.ofNullable(header.tensors().get(name)).map(StoredTensor::info);
  }

  @Override
  public MemorySegment bytes(String name, Arena arena) {
    StoredTensor tensor = header.tensors().get(name);
    if (tensor == null) {
      throw Float32Tensors.missing(this, name);
    }
    return FileMapping.map(
        file,
        name,
        header.dataOffsetBytes() + tensor.offsetBytes(),
        tensor.info().sizeBytes(),
        arena);
  }

  /**
   * The tensor's bytes until this file is closed: for small files of reference values, of which nothing need leave
   * memory earlier.
   */
  public MemorySegment bytes(String name) {
    return bytes(name, arena);
  }

  /** What the file's {@code __metadata__} says; empty when it has none. */
  public Map<String, String> metadata() {
    return header.metadata();
  }

  @Override
  public void close() {
    if (closed.compareAndSet(/* expectedValue= */ false, /* newValue= */ true)) {
      arena.close();
    }
  }
}
