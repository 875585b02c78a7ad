package dev.longtake.common.checkpoint;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import java.util.Set;

/**
 * Named tensors on disk, in one file or several. Opening one reads names and shapes only; the bytes come in as they are
 * touched, and leave with the arena that they were read into. May be read by several threads.
 */
public interface Checkpoint extends AutoCloseable {
  /** What error messages call it: the path of the file or folder. */
  String location();

  /** In alphabetical order. */
  Set<String> names();

  /** Absent when there is no tensor of this name. */
  Optional<TensorInfo> info(String name);

  /**
   * The tensor's bytes, little-endian, row-major, not necessarily aligned to the element size and not to be written to:
   * the mapped file where it holds them in this order, else a copy.
   *
   * @param arena what they are mapped or copied into
   * @throws dev.longtake.common.error.LongtakeException INVALID_CHECKPOINT when there is none of this name
   */
  MemorySegment bytes(String name, Arena arena);

  /**
   * The tensor as float32, little-endian, row-major, aligned to 4 bytes: the mapped file itself where it holds float32,
   * else a copy converted from F64, F16 or BF16.
   *
   * @param scratch what the file is mapped or copied into; it must live as long as the result is used
   * @param expectedShape what the tensor must have, exactly; none for a scalar
   * @throws dev.longtake.common.error.LongtakeException INVALID_CHECKPOINT when the tensor is missing, has another shape
   *     or holds no floating-point numbers
   */
  default MemorySegment f32(String name, Arena scratch, long... expectedShape) {
    return Float32Tensors.read(this, name, scratch, expectedShape);
  }

  /**
   * Checks that a floating-point tensor of this shape is there, without reading it.
   *
   * @throws dev.longtake.common.error.LongtakeException INVALID_CHECKPOINT when it is missing, has another shape or holds
   *     no floating-point numbers
   */
  default void requireFloat(String name, long... expectedShape) {
    Float32Tensors.require(this, name, expectedShape);
  }

  /** Gives up what the checkpoint itself holds. A second call does nothing. */
  @Override
  void close();
}
