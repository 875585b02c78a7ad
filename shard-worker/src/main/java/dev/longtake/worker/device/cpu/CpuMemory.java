package dev.longtake.worker.device.cpu;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.worker.device.DeviceBuffer;
import dev.longtake.worker.device.DeviceMemory;
import dev.longtake.worker.device.MemoryPressure;
import java.lang.foreign.MemorySegment;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** Memory of the process outside the Java heap, with a limit and an account. */
final class CpuMemory implements DeviceMemory {
  static final int ALIGNMENT_BYTES = 64;

  private final long limitBytes;
  private volatile MemoryPressure pressure = _ -> {};
  // All below are guarded by this.
  private final Set<CpuBuffer> open = new LinkedHashSet<>();
  private final Map<String, Long> usedBytesByTag = new TreeMap<>();
  private long usedBytes;
  private long peakBytes;

  CpuMemory(long limitBytes) {
    if (limitBytes <= 0) {
      throw new IllegalArgumentException(
          "Expected a memory limit above 0 bytes, but got " + limitBytes);
    }
    this.limitBytes = limitBytes;
  }

  @Override
  public CpuBuffer allocate(long sizeBytes, String tag) {
    if (sizeBytes < 0) {
      throw new IllegalArgumentException("Expected a size of 0 or more, but got " + sizeBytes);
    }
    long missingBytes = sizeBytes - freeBytes();
    if (missingBytes > 0) {
      // Without the lock: whoever gives memory back comes in here by other threads too.
      pressure.release(missingBytes);
    }
    return allocateNow(sizeBytes, tag);
  }

  private synchronized long freeBytes() {
    return limitBytes - usedBytes;
  }

  private synchronized CpuBuffer allocateNow(long sizeBytes, String tag) {
    long freeBytes = limitBytes - usedBytes;
    if (sizeBytes > freeBytes) {
      throw outOfMemory(sizeBytes, tag, freeBytes + " of " + limitBytes + " are free");
    }
    MemorySegment block = SystemMemory.allocate(sizeBytes + ALIGNMENT_BYTES);
    if (block.address() == 0) {
      throw outOfMemory(sizeBytes, tag, "the operating system refused");
    }
    CpuBuffer buffer = new CpuBuffer(this, block, sizeBytes, tag);
    open.add(buffer);
    usedBytes += sizeBytes;
    peakBytes = Math.max(peakBytes, usedBytes);
    usedBytesByTag.merge(tag, sizeBytes, Long::sum);
    return buffer;
  }

  private LongtakeException outOfMemory(long sizeBytes, String tag, String why) {
    return new LongtakeException(
        ErrorCode.OUT_OF_MEMORY,
        "Expected room for %d bytes of %s, but %s; in use: %s; use more workers or a smaller video"
            .formatted(sizeBytes, tag, why, usedBytesByTag));
  }

  /** Frees the block; only called once per buffer. */
  synchronized void release(CpuBuffer buffer, MemorySegment block) {
    open.remove(buffer);
    usedBytes -= buffer.sizeBytes();
    usedBytesByTag.computeIfPresent(
        buffer.tag(), (tag, used) -> used == buffer.sizeBytes() ? null : used - buffer.sizeBytes());
    SystemMemory.free(block);
  }

  /**
   * Frees whatever is still allocated.
   *
   * @throws IllegalStateException when something was, naming what
   */
  void close() {
    Set<CpuBuffer> leaked;
    synchronized (this) {
      leaked = new LinkedHashSet<>(open);
    }
    Map<String, Long> countByTag =
        leaked.stream()
            .collect(Collectors.groupingBy(CpuBuffer::tag, TreeMap::new, Collectors.counting()));
    leaked.forEach(CpuBuffer::close);
    if (!countByTag.isEmpty()) {
      throw new IllegalStateException(
          "Expected all buffers to be closed before the device, but these were open: "
              + countByTag);
    }
  }

  /** The memory behind a buffer of this device. */
  MemorySegment segment(DeviceBuffer buffer) {
    if (!(buffer instanceof CpuBuffer own) || own.memory() != this) {
      throw new IllegalArgumentException(
          "Expected a buffer of this device, but got " + buffer.getClass().getSimpleName());
    }
    return own.segment();
  }

  @Override
  public void onPressure(MemoryPressure listener) {
    pressure = listener;
  }

  @Override
  public long limitBytes() {
    return limitBytes;
  }

  @Override
  public synchronized long usedBytes() {
    return usedBytes;
  }

  @Override
  public synchronized long peakBytes() {
    return peakBytes;
  }

  @Override
  public synchronized Map<String, Long> usedBytesByTag() {
    return Map.copyOf(usedBytesByTag);
  }
}
