package dev.longtake.worker.device.cuda.driver;

/** How memory is taken from the GPU and given back. For any thread that has the context. */
interface GpuMemory {
  /** Memory in the order of the stream; 0 where there is none. */
  long allocate(long sizeBytes);

  /** Gives it back once everything before has been done. */
  void free(long address);
}
