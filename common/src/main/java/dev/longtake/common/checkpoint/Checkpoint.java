package dev.longtake.common.checkpoint;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import java.util.Set;

/**
 * Named tensors on disk, in one file or several. Opening one reads names and shapes only; the bytes come in as they are
 * touched. May be read by several threads; whoever closes it makes sure that nobody still reads, since segments handed
 * out end with it.
 */
public interface Checkpoint extends AutoCloseable {
  /** What error messages call it: the path of the file or folder. */
  String location();

  /** In alphabetical order. */
  Set<String> names();

  /** Absent when there is no tensor of this name. */
  Optional<TensorInfo> info(String name);

  /**
   * The tensor's bytes as they are on disk: read-only, little-endian, row-major, not necessarily aligned to the element
   * size.
   *
   * @throws dev.longtake.common.error.LongtakeException INVALID_CHECKPOINT when there is none of this name
   */
  MemorySegment bytes(String name);

  /**
   * The tensor as float32, little-endian, row-major, aligned to 4 bytes: the mapped file itself where it holds float32,
   * else a copy converted from F64, F16 or BF16.
   *
   * @param scratch what a copy is allocated from; it must live as long as the result is used
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

  /** Unmaps the files. A second call does nothing. */
  @Override
  void close();
}
