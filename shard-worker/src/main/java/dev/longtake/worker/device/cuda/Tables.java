package dev.longtake.worker.device.cuda;

import dev.longtake.worker.device.cuda.driver.CudaDriver;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;

/**
 * Arrays that a kernel reads, such as the vector of each group: gathered on the host, sent in one copy. The copy waits for the
 * kernels before it, so one block of memory serves all; it grows with the largest call, and counts under the tag {@code "scratch"}.
 */
final class Tables implements AutoCloseable {
  private static final int ALIGNMENT_BYTES = 8;
  private static final long LEAST_BYTES = 64 << 10;

  private final CudaMemory memory;
  private final CudaDriver driver;
  private MemorySegment host = MemorySegment.NULL;
  private @Nullable CudaBuffer device;
  private long end;

  Tables(CudaMemory memory, CudaDriver driver) {
    this.memory = memory;
    this.driver = driver;
  }

  /**
   * Forgets the last kernel's arrays and makes room.
   *
   * @param words of the next kernel's arrays together, 4 bytes each
   * @param arrays how many they are
   */
  void begin(long words, int arrays) {
    long sizeBytes = words * Integer.BYTES + (long) arrays * ALIGNMENT_BYTES;
    end = 0;
    if (device == null || device.sizeBytes() < sizeBytes) {
      close();
      long roomBytes = Math.max(LEAST_BYTES, Long.highestOneBit(sizeBytes) * 2);
      device = memory.allocate(roomBytes, "scratch");
      host = Arena.ofAuto().allocate(roomBytes, ALIGNMENT_BYTES);
    }
  }

  /** Adds an array and returns where the kernel finds it. */
  long put(int[] values) {
    MemorySegment.copy(values, 0, host, ValueLayout.JAVA_INT, end, values.length);
    return advance((long) values.length * Integer.BYTES);
  }

  /** Adds an array and returns where the kernel finds it. */
  long put(float[] values) {
    MemorySegment.copy(values, 0, host, ValueLayout.JAVA_FLOAT, end, values.length);
    return advance((long) values.length * Float.BYTES);
  }

  /** Adds an array and returns where the kernel finds it. */
  long put(long[] values) {
    MemorySegment.copy(values, 0, host, ValueLayout.JAVA_LONG, end, values.length);
    return advance((long) values.length * Long.BYTES);
  }

  private long advance(long sizeBytes) {
    long address = room().address() + end;
    end = (end + sizeBytes + ALIGNMENT_BYTES - 1) / ALIGNMENT_BYTES * ALIGNMENT_BYTES;
    return address;
  }

  private CudaBuffer room() {
    if (device == null) {
      throw new IllegalStateException("Expected begin() before an array is put");
    }
    return device;
  }

  /** Sends what was put. */
  void send() {
    if (end > 0) {
      driver.upload(host, room().address(), end, end, 1);
    }
  }

  @Override
  public void close() {
    if (device != null) {
      device.close();
      device = null;
    }
  }
}
