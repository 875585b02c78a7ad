package dev.longtake.worker.device.cpu;

import dev.longtake.common.noise.PhiloxNoise;
import dev.longtake.worker.device.Activation;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/** Kernels in which every element stands alone, and copies. */
final class Elementwise {
  /** Elements in a task: enough to pay for the hand-over to another thread. */
  private static final int TASK_ELEMENTS = 65_536;

  /** An exponential costs as much as some sums. */
  private static final int LEARNED_NOISE_TASK_ELEMENTS = 16_384;

  /** A normal deviate costs as much as tens of sums. */
  private static final int NOISE_TASK_ELEMENTS = 4_096;

  /** What is done for one row. */
  @FunctionalInterface
  interface RowBody {
    void row(int thread, int row);
  }

  /** What is done for rows [from, to). */
  @FunctionalInterface
  interface RangeBody {
    void rows(int thread, int from, int to);
  }

  private Elementwise() {}

  /** Runs the body for all rows, with about {@code taskElements} elements in a task. */
  static void forRows(Threads threads, int rows, int columns, int taskElements, RowBody body) {
    forRanges(
        threads,
        rows,
        columns,
        taskElements,
        (thread, from, to) -> {
          for (int row = from; row < to; row++) {
            body.row(thread, row);
          }
        });
  }

  /** Runs the body for ranges that together are all rows, with about {@code taskElements} elements in each. */
  static void forRanges(Threads threads, int rows, int columns, int taskElements, RangeBody body) {
    int rowsPerTask = Math.max(1, taskElements / Math.max(1, columns));
    threads.run(
        Math.ceilDiv(rows, rowsPerTask),
        (thread, task) -> {
          int from = task * rowsPerTask;
          body.rows(thread, from, from + Math.min(rows - from, rowsPerTask));
        });
  }

  /** {@code x[r] += table[(r / rowsPerTableRow) % table.rows]}. */
  static void addRows(Threads threads, View x, View table, int rowsPerTableRow) {
    forRows(
        threads,
        x.rows(),
        x.columns(),
        TASK_ELEMENTS,
        (thread, row) ->
            addRow(x, x.row(row), table, table.row(row / rowsPerTableRow % table.rows())));
  }

  private static void addRow(View x, long at, View table, long from) {
    for (int c = 0; c < x.columns(); c += Lanes.COUNT) {
      VectorMask<Float> mask = Lanes.tail(c, x.columns());
      FloatVector sum =
          Lanes.load(x.segment(), at + c * 4L, mask)
              .add(Lanes.load(table.segment(), from + c * 4L, mask));
      Lanes.store(sum, x.segment(), at + c * 4L, mask);
    }
  }

  static void activate(Threads threads, View in, View out, Activation activation) {
    forRows(
        threads,
        in.rows(),
        in.columns(),
        TASK_ELEMENTS,
        (thread, row) -> activateRow(in, in.row(row), out, out.row(row), activation));
  }

  /** One row, which may be its own target. */
  static void activateRow(View in, long from, View out, long to, Activation activation) {
    int columns = in.columns();
    int whole = Lanes.whole(columns);
    switch (activation) {
      case NONE -> cast(in, from, out, to, whole);
      case GELU_TANH -> geluTanh(in, from, out, to, whole);
      case SILU -> silu(in, from, out, to, whole);
    }
    if (whole < columns) {
      VectorMask<Float> mask = Lanes.tail(whole, columns);
      FloatVector x =
          Lanes.load(in.segment(), from + (long) whole * in.elementBytes(), in.bfloat(), mask);
      Lanes.store(
          VectorMath.apply(x, activation),
          out.segment(),
          to + (long) whole * out.elementBytes(),
          out.bfloat(),
          mask);
    }
  }

  // A method with a loop for each function: where one loop calls several, the JIT compiler puts
  // vectors on the heap.

  private static void cast(View in, long from, View out, long to, int columns) {
    for (int c = 0; c < columns; c += Lanes.COUNT) {
      store(load(in, from, c), out, to, c);
    }
  }

  private static void geluTanh(View in, long from, View out, long to, int columns) {
    if (OwnCode.ACTIVATIONS != null && columns > 0 && !in.bfloat() && !out.bfloat()) {
      OwnCode.ACTIVATIONS.geluTanh(
          in.segment().address() + from, out.segment().address() + to, columns / Lanes.COUNT);
      return;
    }
    for (int c = 0; c < columns; c += Lanes.COUNT) {
      store(VectorMath.geluTanh(load(in, from, c)), out, to, c);
    }
  }

  private static void silu(View in, long from, View out, long to, int columns) {
    for (int c = 0; c < columns; c += Lanes.COUNT) {
      store(VectorMath.silu(load(in, from, c)), out, to, c);
    }
  }

  private static FloatVector load(View view, long row, int column) {
    return Lanes.load(view.segment(), row + (long) column * view.elementBytes(), view.bfloat());
  }

  private static void store(FloatVector vector, View view, long row, int column) {
    Lanes.store(vector, view.segment(), row + (long) column * view.elementBytes(), view.bfloat());
  }

  /**
   * The sum of coefficient times values, from the first term to the last.
   *
   * @param coefficients for each term one, or one per row
   */
  static void combine(Threads threads, View out, View[] values, float[][] coefficients) {
    forRows(
        threads,
        out.rows(),
        out.columns(),
        TASK_ELEMENTS,
        (thread, row) -> {
          for (int c = 0; c < out.columns(); c += Lanes.COUNT) {
            VectorMask<Float> mask = Lanes.tail(c, out.columns());
            FloatVector sum = FloatVector.zero(Lanes.FLOATS);
            boolean begun = false;
            for (int term = 0; term < values.length; term++) {
              float[] all = coefficients[term];
              float coefficient = all[all.length == 1 ? 0 : row];
              if (coefficient != 0) {
                View view = values[term];
                FloatVector x = Lanes.load(view.segment(), view.row(row) + c * 4L, mask);
                // Not by one: a product may change a NaN's bits. Not to zero: it changes -0.
                FloatVector product = coefficient == 1 ? x : x.mul(coefficient);
                sum = begun ? sum.add(product) : product;
                begun = true;
              }
            }
            Lanes.store(sum, out.segment(), out.row(row) + c * 4L, mask);
          }
        });
  }

  /** {@code target += exp(logVariance / 2) * noise}. */
  static void addLearnedNoise(
      Threads threads, View target, View variance, View noise, float minLog, float maxLog) {
    FloatVector one = FloatVector.broadcast(Lanes.FLOATS, 1);
    forRows(
        threads,
        target.rows(),
        target.columns(),
        LEARNED_NOISE_TASK_ELEMENTS,
        (thread, row) -> {
          for (int c = 0; c < target.columns(); c += Lanes.COUNT) {
            VectorMask<Float> mask = Lanes.tail(c, target.columns());
            FloatVector f =
                Lanes.load(variance.segment(), variance.row(row) + c * 4L, mask).add(1f).mul(0.5f);
            FloatVector logVariance = f.mul(maxLog).add(one.sub(f).mul(minLog));
            FloatVector deviation = VectorMath.exp(logVariance.mul(0.5f));
            long at = target.row(row) + c * 4L;
            FloatVector sum =
                Lanes.load(noise.segment(), noise.row(row) + c * 4L, mask)
                    .fma(deviation, Lanes.load(target.segment(), at, mask));
            Lanes.store(sum, target.segment(), at, mask);
          }
        });
  }

  static void noise(Threads threads, View out, long seed, long stream, long firstElement) {
    int columns = out.columns();
    forRows(
        threads,
        out.rows(),
        columns,
        NOISE_TASK_ELEMENTS,
        (thread, row) ->
            PhiloxNoise.fill(
                out.segment().asSlice(out.row(row), columns * 4L),
                columns,
                seed,
                stream,
                firstElement + (long) row * columns));
  }

  /**
   * {@code residual += gate * product} for some rows, or a plain sum without a gate.
   *
   * @param gate one row, for all, at {@code gateAt}; {@link MemorySegment#NULL} for none
   */
  static void addProducts(View product, View residual, MemorySegment gate, long gateAt) {
    boolean gated = gate.byteSize() > 0;
    if (OwnCode.ROWS == null || !OwnCode.suits(product) || product.rows() == 0) {
      for (int row = 0; row < product.rows(); row++) {
        addProduct(product, product.row(row), residual, residual.row(row), gate, gateAt);
      }
    } else if (gated) {
      OwnCode.ROWS.addProducts(
          product.address(),
          product.strideBytes(),
          residual.address(),
          residual.strideBytes(),
          gate.address() + gateAt,
          product.columns() / Lanes.COUNT,
          product.rows());
    } else {
      OwnCode.ROWS.addProducts(
          product.address(),
          product.strideBytes(),
          residual.address(),
          residual.strideBytes(),
          product.columns() / Lanes.COUNT,
          product.rows());
    }
  }

  static void addProduct(
      View product, long from, View residual, long to, MemorySegment gate, long gateAt) {
    boolean gated = gate.byteSize() > 0;
    for (int c = 0; c < product.columns(); c += Lanes.COUNT) {
      VectorMask<Float> mask = Lanes.tail(c, product.columns());
      FloatVector added = Lanes.load(product.segment(), from + c * 4L, mask);
      FloatVector before = Lanes.load(residual.segment(), to + c * 4L, mask);
      FloatVector sum =
          gated ? added.fma(Lanes.load(gate, gateAt + c * 4L, mask), before) : added.add(before);
      Lanes.store(sum, residual.segment(), to + c * 4L, mask);
    }
  }

  static void copy(Threads threads, View source, View target) {
    int rowsPerTask = Math.max(1, TASK_ELEMENTS / Math.max(1, source.columns()));
    threads.run(
        Math.ceilDiv(source.rows(), rowsPerTask),
        (thread, task) -> {
          int from = task * rowsPerTask;
          copyRows(source, target, from, from + Math.min(source.rows() - from, rowsPerTask));
        });
  }

  /** Rows [from, to); in one piece where both sides are dense. */
  static void copyRows(View source, View target, int from, int to) {
    long rowBytes = (long) source.columns() * source.elementBytes();
    boolean dense = source.strideBytes() == rowBytes && target.strideBytes() == rowBytes;
    long pieceBytes = dense ? (to - from) * rowBytes : rowBytes;
    for (int row = from; row < to; row += dense ? to - from : 1) {
      MemorySegment.copy(
          source.segment(), source.row(row), target.segment(), target.row(row), pieceBytes);
    }
  }
}
