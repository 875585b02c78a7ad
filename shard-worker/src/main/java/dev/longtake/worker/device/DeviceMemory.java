package dev.longtake.worker.device;

import dev.longtake.common.error.LongtakeException;
import java.util.Map;

/** A device's memory with a limit and an account per purpose. Thread-safe. */
public interface DeviceMemory {
  /**
   * Allocates zeroed memory, aligned to 64 bytes.
   *
   * @param tag what it is for, for example {@code "weights"} or {@code "activations"}
   * @throws LongtakeException OUT_OF_MEMORY with the size asked for, what is free, and who holds the rest
   */
  DeviceBuffer allocate(long sizeBytes, String tag);

  /**
   * Whom to ask before an allocation fails; replaces who was asked before.
   *
   * @param pressure asked once for each allocation that finds no room, which is then tried again
   */
  void onPressure(MemoryPressure pressure);

  /** What all buffers together may have. */
  long limitBytes();

  /** Bytes allocated now. */
  long usedBytes();

  /** Most bytes allocated at any one time since the device was opened. */
  long peakBytes();

  /** Bytes allocated now, by tag. */
  Map<String, Long> usedBytesByTag();
}
