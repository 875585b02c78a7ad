package dev.longtake.common.checkpoint;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * One safetensors file, mapped into memory: eight bytes with the header's length (little-endian), the header in JSON, then
 * the tensors' bytes without gaps. The header is checked completely when the file is opened, so that no later read can
 * leave the file: a checkpoint is foreign input. Files may be larger than 2 GiB.
 */
public final class SafetensorsFile implements Checkpoint {
  private final Path file;
  private final SafetensorsHeader header;
  private final Arena arena;
  private final MemorySegment data;
  private final AtomicBoolean closed = new AtomicBoolean();

  private SafetensorsFile(Path file, SafetensorsHeader header, Arena arena, MemorySegment data) {
    this.file = file;
    this.header = header;
    this.arena = arena;
    this.data = data;
  }

  /**
   * Maps the file and checks its header.
   *
   * @throws LongtakeException INVALID_CHECKPOINT when the file is missing, truncated or contradicts itself
   */
  public static SafetensorsFile open(Path file) {
    if (!Files.isRegularFile(file)) {
      throw new LongtakeException(
          ErrorCode.INVALID_CHECKPOINT,
          "Expected a safetensors file at "
              + file
              + ", but there is "
              + (Files.isDirectory(file) ? "a folder" : "none")
              + "; check the path");
    }
    // Shared: several threads pack weights at once.
    Arena arena = Arena.ofShared();
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      MemorySegment all = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
      SafetensorsHeader header = SafetensorsHeader.parse(file, all);
      return new SafetensorsFile(file, header, arena, all.asSlice(header.dataOffsetBytes()));
    } catch (IOException e) {
      arena.close();
      throw new LongtakeException(
          ErrorCode.INVALID_CHECKPOINT,
          "Expected to read " + file + ", but the system says: " + e.getMessage(),
          e);
    } catch (RuntimeException | Error e) {
      arena.close();
      throw e;
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
    return Optional.ofNullable(header.tensors().get(name));
  }

  @Override
  public MemorySegment bytes(String name) {
    TensorInfo info = info(name).orElseThrow(() -> Float32Tensors.missing(this, name));
    return data.asSlice(info.offsetBytes(), info.sizeBytes());
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
