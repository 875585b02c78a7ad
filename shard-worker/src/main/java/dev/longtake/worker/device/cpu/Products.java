package dev.longtake.worker.device.cpu;

import dev.longtake.common.tensor.DType;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Matrix products with weights that were packed for them. What a row of the result is depends on that row and the weights alone, never
 * on how the work was divided.
 *
 * <p>Layers are packed by one thread while no other is here; products may run at once when each has threads of its own.
 */
interface Products extends AutoCloseable {
  /** What follows a product, while the block is in a cache. Called by several threads, for each block once. */
  @FunctionalInterface
  interface BlockBody {
    /**
     * Goes on with a block.
     *
     * @param product the block in float32, in scratch memory or in its place
     * @param row the first of its rows in the whole result
     * @param column the first of its columns there
     */
    void block(View product, int row, int column);
  }

  /** For people: what computes, "oneDNN" for instance. */
  String name();

  /** Whether the products of this dtype are there. */
  boolean supports(DType inputType);

  /**
   * Packs a layer; whoever asked for it closes it.
   *
   * @param weight [outputColumns, inputColumns], readable by any thread
   * @param bias [outputColumns] in float32, or null
   */
  CpuPackedLinear pack(
      MemorySegment weight,
      DType weightType,
      @Nullable MemorySegment bias,
      int outputColumns,
      int inputColumns,
      DType inputType);

  /**
   * {@code in * W^T + bias}, block by block.
   *
   * @param threads that compute it: all of the device, or one of them
   * @param in [rows, inputColumns]
   * @param out where float32 results go directly; null for scratch memory, from where the body takes them
   */
  void multiply(
      Threads threads, CpuPackedLinear layer, View in, @Nullable View out, BlockBody body);

  /** Frees scratch memory. */
  @Override
  void close();
}
