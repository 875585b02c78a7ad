package dev.longtake.common.checkpoint;

import dev.longtake.common.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * A tensor as a pickle describes it, not yet checked against the file: a view of a storage, which is a run of elements
 * that other tensors may share.
 *
 * @param offset of the first element in the storage, in elements
 * @param shape row-major, slowest axis first; empty for a scalar
 * @param strides elements from one index to the next, per axis
 */
record PickledTensor(Storage storage, long offset, List<Long> shape, List<Long> strides) {
  /**
   * A run of elements.
   *
   * @param key the last part of its entry's name in the archive
   */
  record Storage(DType dtype, String key, long elements) {}

  /** Whether the elements lie one after the other in row-major order. */
  boolean isContiguous() {
    long stride = 1;
    for (int axis = shape.size() - 1; axis >= 0; axis--) {
      long extent = shape.get(axis);
      if (extent != 1 && strides.get(axis) != stride) {
        return false;
      }
      stride *= extent;
    }
    return true;
  }

  /** Elements from the first to the last, both counted; for a view that has been checked and is not empty. */
  long span() {
    long last = 0;
    for (int axis = 0; axis < shape.size(); axis++) {
      last += (shape.get(axis) - 1) * strides.get(axis);
    }
    return last + 1;
  }

  /**
   * Puts the elements one after the other in row-major order.
   *
   * @param from starts with the first element
   */
  void copy(MemorySegment from, MemorySegment to) {
    int elementBytes = storage.dtype().sizeBytes();
    long[] index = new long[shape.size()];
    long at = 0;
    for (long written = 0; written < to.byteSize(); written += elementBytes) {
      MemorySegment.copy(from, at * elementBytes, to, written, elementBytes);
      // Counts up like an odometer, last axis fastest.
      for (int axis = index.length - 1; axis >= 0; axis--) {
        at += strides.get(axis);
        if (++index[axis] < shape.get(axis)) {
          break;
        }
        at -= shape.get(axis) * strides.get(axis);
        index[axis] = 0;
      }
    }
  }
}
