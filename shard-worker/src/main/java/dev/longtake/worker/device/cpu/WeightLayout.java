package dev.longtake.worker.device.cpu;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * Where the weights W [K, N] of a product are kept: a matrix of blocks, each of them contiguous, in which the place of an
 * element is the sum of a number of its row and a number of its column. Blocks at the edges are completed with zeros.
 *
 * @param sizeBytes of the whole
 * @param rowStride from a block to the one below it, in elements
 * @param columnStride from a block to the one on its right, in elements
 * @param rowPlaces in a block, in elements, one for each of its rows
 * @param columnPlaces in a block, in elements, one for each of its columns
 */
record WeightLayout(
    long sizeBytes, long rowStride, long columnStride, int[] rowPlaces, int[] columnPlaces) {
  /** The layout that a descriptor of oneDNN's stands for. */
  static WeightLayout of(MemorySegment descriptor) {
    Dnnl.Blocks blocks = Dnnl.blocks(descriptor);
    return new WeightLayout(
        Dnnl.sizeBytes(descriptor),
        blocks.strides()[0],
        blocks.strides()[1],
        places(blocks, 0),
        places(blocks, 1));
  }

  /** Inside a block there may be smaller ones: an index has a digit for each of them that lies along its axis. */
  private static int[] places(Dnnl.Blocks blocks, int axis) {
    int count = 1;
    for (int level = 0; level < blocks.axes().length; level++) {
      count *= blocks.axes()[level] == axis ? (int) blocks.sizes()[level] : 1;
    }
    int[] places = new int[count];
    for (int i = 0; i < count; i++) {
      int rest = i;
      int step = 1;
      for (int level = blocks.axes().length - 1; level >= 0; level--) {
        int size = (int) blocks.sizes()[level];
        if (blocks.axes()[level] == axis) {
          places[i] += rest % size * step;
          rest /= size;
        }
        step *= size;
      }
    }
    return places;
  }

  /** Whether rows 2i and 2i + 1 of a block are neighbours, as bfloat16 products have them. */
  boolean hasRowPairs() {
    for (int row = 0; row < rowPlaces.length; row++) {
      if (rowPlaces[row] % 2 != row % 2 || rowPlaces[row] / 2 != rowPlaces[row / 2 * 2] / 2) {
        return false;
      }
    }
    return rowPlaces.length % 2 == 0
        && Arrays.stream(columnPlaces).allMatch(place -> place % 2 == 0);
  }

  int blockRows() {
    return rowPlaces.length;
  }

  int blockColumns() {
    return columnPlaces.length;
  }

  /** Elements of a block. */
  int blockSize() {
    return rowPlaces.length * columnPlaces.length;
  }
}
