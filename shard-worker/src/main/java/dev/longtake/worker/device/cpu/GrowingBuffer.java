package dev.longtake.worker.device.cpu;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** Scratch memory of one thread, as large as the largest use so far. Grown by one thread while nobody uses it. */
final class GrowingBuffer implements AutoCloseable {
  private static final String TAG = "scratch";

  private final CpuMemory memory;
  private @Nullable CpuBuffer buffer;

  GrowingBuffer(CpuMemory memory) {
    this.memory = memory;
  }

  /** Has at least so many bytes from now on; what was in it is lost if it had less. */
  void grow(long sizeBytes) {
    if (buffer == null || buffer.sizeBytes() < sizeBytes) {
      CpuBuffer larger = memory.allocate(sizeBytes, TAG);
      close();
      buffer = larger;
    }
  }

  MemorySegment segment() {
    if (buffer == null) {
      throw new IllegalStateException("Expected scratch memory, but no layer was packed");
    }
    return buffer.segment();
  }

  long address() {
    return segment().address();
  }

  @Override
  public void close() {
    if (buffer != null) {
      buffer.close();
      buffer = null;
    }
  }
}
