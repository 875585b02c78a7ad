package dev.longtake.worker.device;

import dev.longtake.common.partition.Grain;
import dev.longtake.common.tensor.DType;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * A place that computes, with its memory. One contract test runs against every device.
 *
 * <p><b>Determinism.</b> The result for a row (of a product, a norm, a query of an attention) depends only on that row's
 * inputs: never on how many rows the call has, on the row's place, on the number of threads, or on whether code is
 * already compiled. That is what makes a sharded run equal to an unsharded one, bit for bit.
 *
 * <p><b>Threads.</b> Kernels are called by one thread at a time and have finished, or are ordered before any later call,
 * when they return; {@link #parallel} is the exception. {@link #memory()} may be used by any thread.
 */
public interface Device extends Kernels, AutoCloseable {
  /** A task of {@link #parallel}. */
  @FunctionalInterface
  interface Task {
    /**
     * Runs one task.
     *
     * @param kernels to use, and no others, until this returns
     * @param strand 0 to strands - 1: which of several memories to use; no two tasks have the same at once
     * @param task its number
     */
    void run(Kernels kernels, int strand, int task);
  }

  /** Its kind: {@code "cpu"} or {@code "cuda"}. */
  String name();

  /** One line for people: processor, threads, instruction sets. */
  String detail();

  /** A name that is no other device's, such as a GPU's; empty where it has none. */
  default String uuid() {
    return "";
  }

  /** That compute. */
  int threads();

  DeviceMemory memory();

  /**
   * How busy it was lately, 0 to 1: a GPU in the last sample of NVIDIA's library, a processor since the call before. NaN when nobody knows. For
   * any thread.
   */
  double utilization();

  /** How many tasks of {@link #parallel} run at once, at most, and rows of a product that keep each as busy as more would. */
  Grain grain();

  /**
   * Runs tasks 0 to {@code tasks - 1}, several of them at once where the device has threads for it: each takes the next task when it has
   * ended one, so that a slow one does less, and no thread waits for others within a task. A kernel of the device itself may not be called meanwhile.
   * Rethrows the first failure; tasks not yet begun are then skipped.
   */
  default void parallel(int tasks, Task body) {
    for (int task = 0; task < tasks; task++) {
      body.run(this, 0, task);
    }
  }

  /** Waits until all that was called has been done, for whoever measures; a device whose kernels return when they have ended does nothing. */
  default void finish() {}

  /** Whether {@link #pack} can make weights for this input type: always F32, BF16 where the processor has it. */
  boolean supports(DType inputType);

  /**
   * Copies dense values of the target's dtype from host memory.
   *
   * @param source rows * columns elements, row-major
   */
  void upload(MemorySegment source, Matrix target);

  /** Copies to dense values of the source's dtype in host memory. */
  void download(Matrix source, MemorySegment target);

  /**
   * Packs a linear layer.
   *
   * @param weight [N, K] row-major in host memory, only read during the call
   * @param weightType F32 or BF16, whatever the input type is; rounded to nearest, ties to even, where that has fewer digits
   * @param bias [N] F32 or null for none
   * @param inputType F32 or BF16
   */
  PackedLinear pack(
      MemorySegment weight,
      DType weightType,
      @Nullable MemorySegment bias,
      int outputColumns,
      int inputColumns,
      DType inputType);

  /** Packs a linear layer whose weight is F32. */
  default PackedLinear pack(
      MemorySegment weight,
      @Nullable MemorySegment bias,
      int outputColumns,
      int inputColumns,
      DType inputType) {
    return pack(weight, DType.F32, bias, outputColumns, inputColumns, inputType);
  }

  @Override
  void close();
}
