package dev.longtake.worker.device.cpu;

import dev.longtake.common.tensor.Bfloat16;
import dev.longtake.common.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * Copies weights from a checkpoint's order into the blocks that products read, with a conversion where the types differ, to
 * nearest, ties to even. In one pass and by all threads: a large model should be loaded at the speed of memory.
 *
 * <p>The target is written in words of four bytes: a float32, or two neighbours of a column in bfloat16. A task is a column of
 * blocks. Some blocks are put together in an array that fits the first-level cache, word by word, and are then copied to the
 * target at once.
 */
final class Packing {
  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED;
  private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;
  private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED;

  /** Words of a column that are put together at once, if a block has not more; 32 KiB in 64 columns. */
  private static final int STAGE_WORDS = 128;

  private final MemorySegment source;
  private final DType sourceType;
  private final CpuBuffer target;
  private final DType targetType;
  private final WeightLayout layout;
  private final int rows;
  private final int columns;

  /** Rows of W in a word. */
  private final int wordRows;

  private final int blockWords;

  /** For each word of a column of the array its place there. */
  private final int[] places;

  /**
   * @param source [columns, rows] of {@code sourceType}, row-major: the transpose of W; readable by any thread
   * @param layout of the target, which may have more columns; with bfloat16, rows 2i and 2i + 1 must be neighbours
   * @param rows of W
   * @param columns of W
   */
  Packing(
      MemorySegment source,
      DType sourceType,
      CpuBuffer target,
      DType targetType,
      WeightLayout layout,
      int rows,
      int columns) {
    this.source = source;
    this.sourceType = sourceType;
    this.target = target;
    this.targetType = targetType;
    this.layout = layout;
    this.rows = rows;
    this.columns = columns;
    wordRows = Float.BYTES / targetType.sizeBytes();
    blockWords = layout.blockSize() / wordRows;
    int words = layout.blockRows() / wordRows;
    places = new int[words * Math.max(1, STAGE_WORDS / words)];
    Arrays.setAll(
        places,
        word -> word / words * blockWords + layout.rowPlaces()[word % words * wordRows] / wordRows);
  }

  void run(Threads threads) {
    int tasks = Math.ceilDiv(columns, layout.blockColumns());
    threads.run(
        tasks,
        (_, task) -> {
          target.populate(task, tasks);
          pack(task);
        });
  }

  private void pack(int blockColumn) {
    int[] stage = new int[places.length * layout.blockColumns()];
    int stageRows = places.length * wordRows;
    int from = blockColumn * layout.blockColumns();
    int to = Math.min(columns, from + layout.blockColumns());
    for (int row = 0; row < rows; row += stageRows) {
      int count = Math.min(rows - row, stageRows);
      if (count < stageRows) {
        Arrays.fill(stage, 0); // what the rows before left
      }
      for (int column = from; column < to; column++) {
        read(
            (long) column * rows + row,
            count,
            stage,
            layout.columnPlaces()[column - from] / wordRows);
      }
      write(stage, row, count, blockColumn);
    }
  }

  /** Copies whole blocks to where they belong. */
  private void write(int[] stage, int row, int count, int blockColumn) {
    int firstBlock = row / layout.blockRows();
    for (int block = 0; block * layout.blockRows() < count; block++) {
      long at = (firstBlock + block) * layout.rowStride() + blockColumn * layout.columnStride();
      MemorySegment.copy(
          stage,
          block * blockWords,
          target.segment(),
          INT,
          at * targetType.sizeBytes(),
          blockWords);
    }
  }

  /** Some elements of a column of W, the first of them element {@code at} of the source. */
  private void read(long at, int count, int[] stage, int place) {
    MemorySegment part =
        source.asSlice(at * sourceType.sizeBytes(), (long) count * sourceType.sizeBytes());
    boolean same = sourceType == targetType;
    if (targetType == DType.F32) {
      if (same) {
        copyWords(part, count, stage, place);
      } else {
        widen(part, count, stage, place);
      }
      return;
    }
    int pairs = count / 2;
    if (same) {
      copyWords(part, pairs, stage, place);
    } else {
      narrowPairs(part, pairs, stage, place);
    }
    if (count % 2 != 0) {
      short last =
          same
              ? part.getAtIndex(SHORT, count - 1)
              : Bfloat16.fromFloat(part.getAtIndex(FLOAT, count - 1));
      stage[places[pairs] + place] = Short.toUnsignedInt(last);
    }
  }

  private void copyWords(MemorySegment part, int count, int[] stage, int place) {
    int[] to = places;
    for (int i = 0; i < count; i++) {
      stage[to[i] + place] = part.getAtIndex(INT, i);
    }
  }

  private void widen(MemorySegment part, int count, int[] stage, int place) {
    int[] to = places;
    for (int i = 0; i < count; i++) {
      stage[to[i] + place] = Short.toUnsignedInt(part.getAtIndex(SHORT, i)) << Short.SIZE;
    }
  }

  private void narrowPairs(MemorySegment part, int count, int[] stage, int place) {
    int[] to = places;
    for (int i = 0; i < count; i++) {
      int low = Short.toUnsignedInt(Bfloat16.fromFloat(part.getAtIndex(FLOAT, 2L * i)));
      int high = Bfloat16.fromFloat(part.getAtIndex(FLOAT, 2L * i + 1));
      stage[to[i] + place] = low | high << Short.SIZE;
    }
  }
}
