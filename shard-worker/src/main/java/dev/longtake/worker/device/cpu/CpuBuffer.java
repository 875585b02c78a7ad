package dev.longtake.worker.device.cpu;

import dev.longtake.worker.device.AccountedMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** The only owner of a block of native memory. */
@SuppressWarnings("restricted") // native memory and calls are what this class is for
final class CpuBuffer implements AccountedMemory.Tagged {
  private final CpuMemory memory;
  private final MemorySegment block;
  private final MemorySegment segment;

  /** Only guards against use after close: closing it frees nothing, but makes the segment refuse. */
  private final Arena arena = Arena.ofShared();

  private final long sizeBytes;
  private final String tag;
  private boolean closed; // guarded by this

  /**
   * @param block as the C library returned it, {@code sizeBytes + ALIGNMENT_BYTES} long
   */
  CpuBuffer(CpuMemory memory, MemorySegment block, long sizeBytes, String tag) {
    this.memory = memory;
    this.block = block;
    this.sizeBytes = sizeBytes;
    this.tag = tag;
    long aligned =
        Math.ceilDiv(block.address(), CpuMemory.ALIGNMENT_BYTES) * CpuMemory.ALIGNMENT_BYTES;
    this.segment = MemorySegment.ofAddress(aligned).reinterpret(sizeBytes, arena, null);
  }

  CpuMemory memory() {
    return memory;
  }

  @Override
  public String tag() {
    return tag;
  }

  MemorySegment segment() {
    if (!segment.scope().isAlive()) {
      throw new IllegalStateException(
          "Expected an open buffer, but this one of %d bytes (%s) was closed"
              .formatted(sizeBytes, tag));
    }
    return segment;
  }

  /** Makes one of several equal parts of the buffer resident, because it is about to be written as a whole. */
  void populate(int part, int parts) {
    MemorySegment all = segment();
    long from = sizeBytes * part / parts;
    SystemMemory.populate(all.asSlice(from, sizeBytes * (part + 1) / parts - from));
  }

  @Override
  public long sizeBytes() {
    return sizeBytes;
  }

  @Override
  public synchronized void close() {
    if (!closed) {
      // Throws when another thread is in the middle of a copy; then nothing is freed.
      arena.close();
      closed = true;
      memory.release(this, () -> SystemMemory.free(block));
    }
  }

  @Override
  public String toString() {
    return "CpuBuffer[" + sizeBytes + " bytes, " + tag + "]";
  }
}
