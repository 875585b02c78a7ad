package dev.longtake.worker.device.cpu;

import dev.longtake.worker.device.Checks;
import dev.longtake.worker.device.Sequences;
import dev.longtake.worker.device.cpu.x86.AttentionKernels;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import org.jspecify.annotations.Nullable;

/**
 * Attention with online softmax (Milakov and Gimelshein 2018; tiled as in FlashAttention, Dao et al. 2022): scores exist
 * for four queries and one tile of keys only, so memory does not grow with the tokens at all.
 *
 * <p>A task is a block of queries of one head of one sequence. It visits the keys in tiles of {@link #KEYS}, packs each
 * tile once (keys transposed, so that a lane is a key; values as they are, so that a lane is a channel) and runs all
 * queries of the block over it, four at a time.
 *
 * <p>What a query goes through: for each tile, scores as chains over channels; the maximum; all sums rescaled where the
 * maximum grew; probabilities added to sums per lane; values added key by key. This depends on the query, the keys and the
 * tile size alone, not on the block.
 */
final class Attention {
  /** Keys of a tile; at 72 channels its keys and values take 38 KB, little of the second-level cache. */
  static final int KEYS = 64;

  /** Queries of a block at most: packing a tile costs as much as tens of queries, as its rows come from far away. */
  private static final int MAX_BLOCK = 1024;

  /** Queries times channels of a block at most. */
  private static final int BLOCK_FLOATS = MAX_BLOCK * 80;

  private static final float LOG2_E = 1.442695f;

  /** Stands for minus infinity, and unlike it has no NaN as a difference. */
  private static final float LOWEST = -Float.MAX_VALUE;

  /** Panels for every count of key vectors in a tile. */
  private static final int[][] KEY_PANELS = new int[KEYS / Lanes.COUNT + 1][];

  static {
    for (int vectors = 0; vectors < KEY_PANELS.length; vectors++) {
      KEY_PANELS[vectors] = MicroKernel.panels(vectors);
    }
  }

  /** Scratch of one thread, of a fixed size; about 1.2 MB. */
  static final class Scratch {
    final float[] queries = new float[BLOCK_FLOATS];
    final float[] sums = new float[BLOCK_FLOATS];
    final float[] rows = new float[KEYS * Checks.MAX_DIMENSION];
    final float[] keys = new float[KEYS * Checks.MAX_DIMENSION];
    final float[] values = new float[KEYS * Checks.MAX_DIMENSION];
    final float[] scores = new float[MAX_BLOCK * KEYS];
    final float[] maxima = new float[MAX_BLOCK];
    final float[] totals = new float[MAX_BLOCK * Lanes.COUNT];
  }

  private final View query;
  private final View key;
  private final View value;
  private final View out;
  private final Sequences queries;
  private final Sequences keys;
  private final int dimension;

  /** The dimension in whole vectors. */
  private final int padded;

  /** Channels in whole vectors; those of the last, incomplete vector are behind them. */
  private final int whole;

  /** Where heads are whole vectors and our own code runs. */
  private final @Nullable AttentionKernels wholeHeads;

  private final int[] valuePanels;
  private final float scale;

  Attention(
      View query,
      View key,
      View value,
      View out,
      int heads,
      Sequences queries,
      Sequences keys,
      float scale) {
    this.query = query;
    this.key = key;
    this.value = value;
    this.out = out;
    this.queries = queries;
    this.keys = keys;
    this.dimension = query.columns() / heads;
    this.padded = Lanes.roundUp(dimension);
    this.whole = Lanes.whole(dimension);
    this.wholeHeads = whole == dimension ? OwnCode.ATTENTION : null;
    this.valuePanels = MicroKernel.panels(padded / Lanes.COUNT);
    // Softmax in powers of two: e^s = 2^(s log2(e)).
    this.scale = scale * LOG2_E;
  }

  /** Computes all blocks of all heads of all sequences. */
  static void run(Threads threads, Scratch[] scratch, int heads, Attention attention) {
    int blockLimit = Math.min(MAX_BLOCK, BLOCK_FLOATS / attention.padded / 4 * 4);
    int sequences = attention.queries.count();
    // firstTask[s] is the number of blocks of the sequences before s.
    int[] firstTask = new int[sequences + 1];
    int[] blockRows = new int[sequences];
    for (int s = 0; s < sequences; s++) {
      int length = attention.queries.length()[s];
      int blocks = Math.ceilDiv(length, blockLimit);
      blockRows[s] = blocks == 0 ? 0 : Math.ceilDiv(length, 4 * blocks) * 4;
      firstTask[s + 1] = Math.addExact(firstTask[s], blocks);
    }
    int blocks = firstTask[sequences];
    threads.run(
        Math.multiplyExact(blocks, heads),
        (thread, task) -> {
          int block = task / heads;
          int found = Arrays.binarySearch(firstTask, block);
          int s = found < 0 ? -found - 2 : found;
          while (firstTask[s + 1] == block) {
            s++; // empty sequences share their first task with the next one
          }
          int from = (block - firstTask[s]) * blockRows[s];
          int to = Math.min(from + blockRows[s], attention.queries.length()[s]);
          if (from < to) {
            attention.block(scratch[thread], s, task % heads, from, to);
          }
        });
  }

  private void block(Scratch scratch, int sequence, int head, int from, int to) {
    int count = to - from;
    int channel = head * dimension;
    loadQueries(scratch, sequence, channel, from, count);
    Arrays.fill(scratch.sums, 0, roundUpRows(count) * padded, 0);
    Arrays.fill(scratch.totals, 0, roundUpRows(count) * Lanes.COUNT, 0);
    Arrays.fill(scratch.maxima, 0, roundUpRows(count), LOWEST);
    int length = keys.length()[sequence];
    for (int firstKey = 0; firstKey < length; firstKey += KEYS) {
      int tile = Math.min(KEYS, length - firstKey);
      int row = keys.firstRow()[sequence] + firstKey * keys.rowStride();
      packKeys(scratch, row, channel, tile);
      packValues(scratch.values, row, channel, tile);
      visit(scratch, roundUpRows(count), tile);
    }
    store(scratch, sequence, channel, from, count);
  }

  private static int roundUpRows(int count) {
    return (count + MicroKernel.ROWS - 1) & -MicroKernel.ROWS;
  }

  /** queries[q, d] = scale * query; the rows that fill up the last four are zero. */
  private void loadQueries(Scratch scratch, int sequence, int channel, int from, int count) {
    float[] target = scratch.queries;
    int first = queries.firstRow()[sequence] + from * queries.rowStride();
    Arrays.fill(target, count * padded, roundUpRows(count) * padded, 0);
    if (wholeHeads != null) {
      wholeHeads.scaledRows(
          query.segment().address() + query.at(first, channel),
          queries.rowStride() * query.strideBytes(),
          target,
          0,
          padded,
          padded / Lanes.COUNT,
          count,
          scale);
      return;
    }
    VectorMask<Float> tail = Lanes.tail(whole, dimension);
    for (int q = 0; q < count; q++) {
      int row = first + q * queries.rowStride();
      long offset = query.row(row) + channel * 4L;
      int d = 0;
      for (; d < whole; d += Lanes.COUNT) {
        Lanes.load(query.segment(), offset + d * 4L).mul(scale).intoArray(target, q * padded + d);
      }
      if (d < dimension) {
        Lanes.load(query.segment(), offset + d * 4L, tail)
            .mul(scale)
            .intoArray(target, q * padded + d);
      }
    }
  }

  /** Panels over keys: keys[panel][d][key]. Lanes past the last key are zero. */
  private void packKeys(Scratch scratch, int firstRow, int channel, int tile) {
    // Whole rows first, by vectors: many of them are then under way from memory at once.
    float[] rows = scratch.rows;
    copyRows(key, firstRow, channel, tile, rows);
    int vectors = Lanes.roundUp(tile) / Lanes.COUNT;
    Arrays.fill(rows, tile * padded, vectors * Lanes.COUNT * padded, 0);
    int panelFrom = 0;
    for (int width : KEY_PANELS[vectors]) {
      int columns = width * Lanes.COUNT;
      transpose(rows, panelFrom, scratch.keys, columns);
      panelFrom += columns;
    }
  }

  /** Rows of {@code padded}. */
  private void copyRows(View from, int firstRow, int channel, int count, float[] rows) {
    if (wholeHeads != null) {
      copyRows(wholeHeads, from, firstRow, channel, count, rows, 0, padded);
      return;
    }
    VectorMask<Float> tail = Lanes.tail(whole, dimension);
    for (int k = 0; k < count; k++) {
      long offset = from.row(firstRow + k * keys.rowStride()) + channel * 4L;
      int d = 0;
      for (; d < whole; d += Lanes.COUNT) {
        Lanes.load(from.segment(), offset + d * 4L).intoArray(rows, k * padded + d);
      }
      if (d < dimension) {
        Lanes.load(from.segment(), offset + d * 4L, tail).intoArray(rows, k * padded + d);
      }
    }
  }

  /** Some whole vectors of rows of keys or values, dense from {@code at} on. */
  private void copyRows(
      AttentionKernels code,
      View from,
      int firstRow,
      int channel,
      int count,
      float[] target,
      int at,
      int columns) {
    code.scaledRows(
        from.segment().address() + from.at(firstRow, channel),
        keys.rowStride() * from.strideBytes(),
        target,
        at,
        columns,
        columns / Lanes.COUNT,
        count,
        /* factor= */ 1);
  }

  /** Rows of {@code padded} from {@code from} on to columns of one panel. */
  private void transpose(float[] rows, int from, float[] target, int columns) {
    if (wholeHeads != null) {
      for (int k = 0; k < columns; k += Lanes.COUNT) {
        wholeHeads.transpose(
            rows, (from + k) * padded, padded / Lanes.COUNT, target, from * dimension + k, columns);
      }
      return;
    }
    int base = from * dimension;
    for (int d = 0; d < dimension; d++) {
      int at = base + d * columns;
      int source = from * padded + d;
      for (int k = 0; k < columns; k++) {
        target[at + k] = rows[source];
        source += padded;
      }
    }
  }

  /** Panels over channels: values[panel][key][channel]. Lanes past the last channel are zero. */
  private void packValues(float[] target, int firstRow, int channel, int tile) {
    if (wholeHeads != null) {
      int from = 0;
      for (int width : valuePanels) {
        int columns = width * Lanes.COUNT;
        copyRows(wholeHeads, value, firstRow, channel + from, tile, target, from * KEYS, columns);
        from += columns;
      }
      return;
    }
    VectorMask<Float> tail = Lanes.tail(whole, dimension);
    for (int k = 0; k < tile; k++) {
      long offset = value.row(firstRow + k * keys.rowStride()) + channel * 4L;
      int d = 0;
      for (int width : valuePanels) {
        int columns = width * Lanes.COUNT;
        int index = d * KEYS + k * columns;
        for (int end = d + columns; d < end; d += Lanes.COUNT) {
          FloatVector channels =
              d < whole
                  ? Lanes.load(value.segment(), offset + d * 4L)
                  : Lanes.load(value.segment(), offset + d * 4L, tail);
          channels.intoArray(target, index);
          index += Lanes.COUNT;
        }
      }
    }
  }

  /**
   * All queries of a block and a tile of keys, panel by panel: a panel stays in the first-level cache while the queries pass it.
   *
   * @param rows the queries, filled up to whole calls of the micro kernel
   */
  private void visit(Scratch scratch, int rows, int tile) {
    float[] scores = scratch.scores;
    int vectors = Lanes.roundUp(tile) / Lanes.COUNT;
    int stride = vectors * Lanes.COUNT;
    Arrays.fill(scores, 0, rows * stride, 0);
    int column = 0;
    for (int width : KEY_PANELS[vectors]) {
      MicroKernel.multiplyAdd(
          rows,
          width,
          scratch.queries,
          0,
          padded,
          scratch.keys,
          column * dimension,
          scores,
          column,
          stride,
          dimension);
      column += width * Lanes.COUNT;
    }
    probabilities(scratch, rows, tile, stride);
    int channel = 0;
    for (int width : valuePanels) {
      MicroKernel.multiplyAdd(
          rows,
          width,
          scores,
          0,
          stride,
          scratch.values,
          channel * KEYS,
          scratch.sums,
          channel,
          padded,
          tile);
      channel += width * Lanes.COUNT;
    }
  }

  /** Lanes from {@code tile} to {@code stride} are of no key. */
  private void probabilities(Scratch scratch, int rows, int tile, int stride) {
    for (int q = 0; tile < stride && q < rows; q++) {
      Arrays.fill(scratch.scores, q * stride + tile, (q + 1) * stride, LOWEST);
    }
    if (OwnCode.ATTENTION != null) {
      OwnCode.ATTENTION.softmax(
          scratch.scores,
          stride,
          stride / Lanes.COUNT,
          scratch.maxima,
          scratch.totals,
          scratch.sums,
          padded / Lanes.COUNT,
          rows);
      return;
    }
    for (int q = 0; q < rows; q++) {
      softmax(scratch, q * stride, q, stride, padded);
    }
  }

  /** Turns one query's scores into probabilities relative to the greatest score so far. */
  static void softmax(Scratch scratch, int at, int q, int columns, int padded) {
    float[] scores = scratch.scores;
    FloatVector greatest = FloatVector.broadcast(Lanes.FLOATS, scratch.maxima[q]);
    for (int k = 0; k < columns; k += Lanes.COUNT) {
      FloatVector s = FloatVector.fromArray(Lanes.FLOATS, scores, at + k);
      greatest = greatest.blend(s, s.compare(VectorOperators.GT, greatest));
    }
    // A maximum has no rounding, so its order is free.
    float maximum = greatest.reduceLanes(VectorOperators.MAX);
    FloatVector total = FloatVector.fromArray(Lanes.FLOATS, scratch.totals, q * Lanes.COUNT);
    // Always, though mostly by one, and then exact: one path instead of a branch that is seldom
    // taken.
    FloatVector factor =
        VectorMath.exp2NotPositive(
            FloatVector.broadcast(Lanes.FLOATS, scratch.maxima[q] - maximum));
    scratch.maxima[q] = maximum;
    total = total.mul(factor);
    for (int d = q * padded; d < (q + 1) * padded; d += Lanes.COUNT) {
      FloatVector.fromArray(Lanes.FLOATS, scratch.sums, d).mul(factor).intoArray(scratch.sums, d);
    }
    for (int k = 0; k < columns; k += Lanes.COUNT) {
      FloatVector p =
          VectorMath.exp2NotPositive(
              FloatVector.fromArray(Lanes.FLOATS, scores, at + k).sub(maximum));
      p.intoArray(scores, at + k);
      total = total.add(p);
    }
    total.intoArray(scratch.totals, q * Lanes.COUNT);
  }

  /** A query's probabilities, over all lanes. */
  private static float total(Scratch scratch, int q) {
    return Lanes.sum(FloatVector.fromArray(Lanes.FLOATS, scratch.totals, q * Lanes.COUNT));
  }

  /** Weighted values over their weights; without keys both sums are zero, and so is the result. */
  private void store(Scratch scratch, int sequence, int channel, int from, int count) {
    VectorMask<Float> tail = Lanes.tail(whole, dimension);
    boolean empty = keys.length()[sequence] == 0;
    int first = queries.firstRow()[sequence] + from * queries.rowStride();
    if (wholeHeads != null && !empty && !out.bfloat()) {
      wholeHeads.quotients(
          scratch.sums,
          scratch.totals,
          out.segment().address() + out.at(first, channel),
          queries.rowStride() * out.strideBytes(),
          padded / Lanes.COUNT,
          count);
      return;
    }
    for (int q = 0; q < count; q++) {
      int row = first + q * queries.rowStride();
      long offset = out.row(row) + (long) channel * out.elementBytes();
      float total = empty ? 1 : total(scratch, q);
      int d = 0;
      for (; d < whole; d += Lanes.COUNT) {
        FloatVector result =
            FloatVector.fromArray(Lanes.FLOATS, scratch.sums, q * padded + d).div(total);
        Lanes.store(result, out.segment(), offset + (long) d * out.elementBytes(), out.bfloat());
      }
      if (d < dimension) {
        FloatVector result =
            FloatVector.fromArray(Lanes.FLOATS, scratch.sums, q * padded + d).div(total);
        long at = offset + (long) d * out.elementBytes();
        Lanes.store(result, out.segment(), at, out.bfloat(), tail);
      }
    }
  }
}
