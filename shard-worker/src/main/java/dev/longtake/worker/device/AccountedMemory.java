package dev.longtake.worker.device;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * A limit and an account for memory of any kind; a device says where it comes from. Thread-safe.
 *
 * @param <B> the device's buffers
 */
public abstract class AccountedMemory<B extends AccountedMemory.Tagged> implements DeviceMemory {
  /** A buffer that knows what it is for. */
  public interface Tagged extends DeviceBuffer {
    /** What it was allocated for. */
    String tag();
  }

  private final long limitBytes;
  private volatile MemoryPressure pressure = _ -> {};
  // All below are guarded by this.
  private final Set<B> open = new LinkedHashSet<>();
  private final Map<String, Long> usedBytesByTag = new TreeMap<>();
  private long usedBytes;
  private long peakBytes;

  /**
   * @param limitBytes what all buffers together may have, above 0
   */
  protected AccountedMemory(long limitBytes) {
    if (limitBytes <= 0) {
      throw new IllegalArgumentException(
          "Expected a memory limit above 0 bytes, but got " + limitBytes);
    }
    this.limitBytes = limitBytes;
  }

  /** A zeroed buffer, or null where there is no memory; called with the account's lock held. */
  protected abstract @Nullable B obtain(long sizeBytes, String tag);

  /** Who it is that had no memory, for the message. */
  protected abstract String source();

  @Override
  public final B allocate(long sizeBytes, String tag) {
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

  private synchronized B allocateNow(long sizeBytes, String tag) {
    long freeBytes = limitBytes - usedBytes;
    if (sizeBytes > freeBytes) {
      throw outOfMemory(sizeBytes, tag, freeBytes + " of " + limitBytes + " are free");
    }
    B buffer = obtain(sizeBytes, tag);
    if (buffer == null) {
      throw outOfMemory(sizeBytes, tag, source() + " refused");
    }
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

  /**
   * Takes a buffer out of the account and frees it; once per buffer.
   *
   * @param free gives the memory itself back, with the account's lock held
   */
  public final synchronized void release(B buffer, Runnable free) {
    open.remove(buffer);
    usedBytes -= buffer.sizeBytes();
    usedBytesByTag.computeIfPresent(
        buffer.tag(), (tag, used) -> used == buffer.sizeBytes() ? null : used - buffer.sizeBytes());
    free.run();
  }

  /**
   * Frees whatever is still allocated.
   *
   * @throws IllegalStateException when something was, naming what
   */
  public final void close() {
    Set<B> leaked;
    synchronized (this) {
      leaked = new LinkedHashSet<>(open);
    }
    Map<String, Long> countByTag =
        leaked.stream()
            .collect(Collectors.groupingBy(Tagged::tag, TreeMap::new, Collectors.counting()));
    leaked.forEach(DeviceBuffer::close);
    if (!countByTag.isEmpty()) {
      throw new IllegalStateException(
          "Expected all buffers to be closed before the device, but these were open: "
              + countByTag);
    }
  }

  @Override
  public final void onPressure(MemoryPressure listener) {
    pressure = listener;
  }

  @Override
  public final long limitBytes() {
    return limitBytes;
  }

  @Override
  public final synchronized long usedBytes() {
    return usedBytes;
  }

  @Override
  public final synchronized long peakBytes() {
    return peakBytes;
  }

  @Override
  public final synchronized Map<String, Long> usedBytesByTag() {
    return Map.copyOf(usedBytesByTag);
  }
}
