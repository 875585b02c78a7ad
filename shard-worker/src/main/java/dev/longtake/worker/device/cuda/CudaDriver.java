package dev.longtake.worker.device.cuda;

import java.lang.foreign.MemorySegment;

/**
 * What the CUDA device needs of a driver, on one GPU: memory, copies, and launches by a kernel's name. Everything that was asked
 * for takes effect in the order of the calls. For any thread, kernels and copies by one thread at a time.
 *
 * <p>A failure is a {@link dev.longtake.common.error.LongtakeException} that names the operation and CUDA's own name of the error.
 * Kernels run later than their launch, so theirs may come out of any call after it.
 */
interface CudaDriver extends AutoCloseable {
  /** One line for people: the GPU, and what it has. */
  String detail();

  /** Of the GPU. */
  int multiprocessors();

  /**
   * Zeroed memory, aligned to 256 bytes.
   *
   * @param sizeBytes above 0
   * @return its address; 0 where the GPU has no more
   */
  long allocate(long sizeBytes);

  /** Frees what {@link #allocate} returned for this size. */
  void free(long address, long sizeBytes);

  /**
   * Copies dense rows from the host, which may be used again on return.
   *
   * @param pitchBytes from one row to the next at {@code address}, at least {@code rowBytes}
   */
  void upload(MemorySegment host, long address, long pitchBytes, long rowBytes, int rows);

  /** Copies rows to the host, where they are dense, and waits for it. */
  void download(long address, long pitchBytes, MemorySegment host, long rowBytes, int rows);

  /**
   * Launches a kernel.
   *
   * @param arguments C's {@code void *[]}, an address for each argument of the kernel; read during the call
   */
  void launch(String kernel, int gridX, int gridY, int threads, MemorySegment arguments);

  @Override
  void close();
}
