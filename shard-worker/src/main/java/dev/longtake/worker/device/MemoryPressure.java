package dev.longtake.worker.device;

/** Gives back memory that is only convenient to have, before an allocation fails. */
@FunctionalInterface
public interface MemoryPressure {
  /**
   * Closes buffers that can be done without, if there are any. Called by the thread that wants memory, which holds no lock of the
   * memory's; must not allocate.
   *
   * @param sizeBytes how much is missing
   */
  void release(long sizeBytes);
}
