package dev.longtake.worker.device.cpu;

import dev.longtake.worker.device.Checks;
import dev.longtake.worker.device.Pairing;
import dev.longtake.worker.device.RowVectors;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorShuffle;
import org.jspecify.annotations.Nullable;

/** Layer norm with modulation, and RMS norm per head with rotation. */
final class Normalisation {
  /** Elements in a task: enough to pay for the hand-over to another thread. */
  private static final int TASK_ELEMENTS = 32_768;

  /** Swaps the lanes of each pair. */
  private static final VectorShuffle<Float> SWAP =
      VectorShuffle.fromOp(Lanes.FLOATS, lane -> lane ^ 1);

  /** Scratch of one thread. */
  static final class Scratch {
    // One value per channel of a head.
    final float[] cosines = new float[Checks.MAX_DIMENSION];
    final float[] sines = new float[Checks.MAX_DIMENSION];
  }

  private Normalisation() {}

  static void modulate(
      Threads threads,
      View in,
      View out,
      View shifts,
      View scales,
      RowVectors groups,
      float epsilon) {
    Elementwise.forRanges(
        threads,
        in.rows(),
        in.columns(),
        TASK_ELEMENTS,
        (_, from, to) -> {
          int end;
          for (int row = from; row < to; row = end) {
            int group = row / groups.rowsPerGroup();
            end = Math.min(to, (group + 1) * groups.rowsPerGroup());
            int vector = groups.vectorOfGroup()[group];
            if (vector != RowVectors.NONE) {
              normRows(in, out, row, end, shifts, scales, vector, 1, epsilon);
            }
          }
        });
  }

  /**
   * Rows [from, to): {@code out = layerNorm(in) * (base + scale) + shift}.
   *
   * @param vector the row of {@code shifts} and {@code scales}
   * @param base 1 where scales are changes, 0 where they are factors
   */
  static void normRows(
      View in,
      View out,
      int from,
      int to,
      View shifts,
      View scales,
      int vector,
      float base,
      float epsilon) {
    if (OwnCode.ROWS != null && OwnCode.suits(in) && !out.bfloat()) {
      OwnCode.ROWS.normRows(
          in.segment().address() + in.row(from),
          in.strideBytes(),
          out.segment().address() + out.row(from),
          out.strideBytes(),
          shifts.segment().address() + shifts.row(vector),
          scales.segment().address() + scales.row(vector),
          in.columns() / Lanes.COUNT,
          to - from,
          base,
          epsilon);
      return;
    }
    for (int row = from; row < to; row++) {
      normRow(in, out, row, shifts, scales, vector, base, epsilon);
    }
  }

  static void normRow(
      View in, View out, int row, View shifts, View scales, int vector, float base, float epsilon) {
    int columns = in.columns();
    int whole = Lanes.whole(columns);
    VectorMask<Float> tail = Lanes.tail(whole, columns);
    long x = in.row(row);
    float mean = rowSum(in, x) / columns;

    // Two passes: squares of differences lose nothing when the mean is large. The differences' own
    // sum would be zero in exact
    // arithmetic; what it is tells by how much the mean was rounded.
    FloatVector sums = FloatVector.zero(Lanes.FLOATS);
    FloatVector squares = FloatVector.zero(Lanes.FLOATS);
    int c = 0;
    for (; c < whole; c += Lanes.COUNT) {
      FloatVector difference = Lanes.load(in.segment(), x + c * 4L).sub(mean);
      sums = sums.add(difference);
      squares = difference.fma(difference, squares);
    }
    if (c < columns) {
      FloatVector difference = Lanes.load(in.segment(), x + c * 4L, tail).sub(mean, tail);
      sums = sums.add(difference);
      squares = difference.fma(difference, squares);
    }
    float residue = Lanes.sum(sums) / columns;
    float variance = Lanes.sum(squares) / columns - residue * residue;
    float factor = (float) (1 / Math.sqrt(Math.max(variance, 0) + (double) epsilon));

    long shift = shifts.row(vector);
    long scale = scales.row(vector);
    long y = out.row(row);
    int size = out.elementBytes();
    for (c = 0; c < whole; c += Lanes.COUNT) {
      FloatVector normal = Lanes.load(in.segment(), x + c * 4L).sub(mean).sub(residue).mul(factor);
      FloatVector result =
          normal.fma(
              Lanes.load(scales.segment(), scale + c * 4L).add(base),
              Lanes.load(shifts.segment(), shift + c * 4L));
      Lanes.store(result, out.segment(), y + (long) c * size, out.bfloat());
    }
    if (c < columns) {
      FloatVector normal =
          Lanes.load(in.segment(), x + c * 4L, tail).sub(mean).sub(residue).mul(factor);
      FloatVector result =
          normal.fma(
              Lanes.load(scales.segment(), scale + c * 4L, tail).add(base),
              Lanes.load(shifts.segment(), shift + c * 4L, tail));
      Lanes.store(result, out.segment(), y + (long) c * size, out.bfloat(), tail);
    }
  }

  /** The sum of a row, by lanes in two chains. */
  private static float rowSum(View in, long x) {
    int columns = in.columns();
    FloatVector even = FloatVector.zero(Lanes.FLOATS);
    FloatVector odd = FloatVector.zero(Lanes.FLOATS);
    int c = 0;
    for (; c + 2 * Lanes.COUNT <= columns; c += 2 * Lanes.COUNT) {
      even = even.add(Lanes.load(in.segment(), x + c * 4L));
      odd = odd.add(Lanes.load(in.segment(), x + (c + Lanes.COUNT) * 4L));
    }
    for (; c < columns; c += Lanes.COUNT) {
      even = even.add(Lanes.load(in.segment(), x + c * 4L, Lanes.tail(c, columns)));
    }
    return Lanes.sum(even.add(odd));
  }

  /** The tables of a rotation, resolved. */
  record Angles(View cosines, View sines, int rowsPerPosition, Pairing pairing) {
    int position(int row) {
      return row / rowsPerPosition % cosines.rows();
    }
  }

  static void normRotate(
      Threads threads,
      Scratch[] scratch,
      View x,
      int heads,
      @Nullable View weight,
      float epsilon,
      @Nullable Angles angles) {
    Elementwise.forRanges(
        threads,
        x.rows(),
        x.columns(),
        TASK_ELEMENTS,
        (thread, from, to) -> {
          if (weight != null) {
            normHeads(x, from, to, heads, weight, epsilon);
          }
          if (angles != null) {
            for (int row = from; row < to; row++) {
              rotateHeads(x, row, heads, angles, scratch[thread]);
            }
          }
        });
  }

  private static void rotateHeads(View x, int row, int heads, Angles angles, Scratch scratch) {
    int dimension = x.columns() / heads;
    boolean adjacent = angles.pairing() == Pairing.ADJACENT;
    if (adjacent) {
      spread(angles, angles.position(row), scratch);
      if (OwnCode.ROWS != null && dimension % Lanes.COUNT == 0) {
        long address = x.segment().address() + x.row(row);
        int vectors = dimension / Lanes.COUNT;
        OwnCode.ROWS.rotateHeads(address, heads, vectors, scratch.cosines, scratch.sines);
        return;
      }
    }
    for (int head = 0; head < heads; head++) {
      long at = x.row(row) + (long) head * dimension * 4;
      if (adjacent) {
        rotateHead(x, at, dimension, scratch);
      } else {
        rotateHalves(x, at, dimension / 2, angles, angles.position(row));
      }
    }
  }

  /** Those of rows [from, to). */
  private static void normHeads(View x, int from, int to, int heads, View weight, float epsilon) {
    int dimension = x.columns() / heads;
    if (OwnCode.ROWS != null && OwnCode.suits(weight)) {
      OwnCode.ROWS.normHeads(
          x.segment().address() + x.row(from),
          x.strideBytes(),
          dimension / Lanes.COUNT,
          heads,
          to - from,
          weight.address(),
          epsilon);
      return;
    }
    for (int row = from; row < to; row++) {
      for (int head = 0; head < heads; head++) {
        normHead(x, x.row(row) + (long) head * dimension * 4, dimension, weight, epsilon);
      }
    }
  }

  static void normHead(View x, long at, int dimension, View weight, float epsilon) {
    int whole = Lanes.whole(dimension);
    VectorMask<Float> tail = Lanes.tail(whole, dimension);
    FloatVector squares = FloatVector.zero(Lanes.FLOATS);
    int d = 0;
    for (; d < whole; d += Lanes.COUNT) {
      FloatVector v = Lanes.load(x.segment(), at + d * 4L);
      squares = v.fma(v, squares);
    }
    if (d < dimension) {
      FloatVector v = Lanes.load(x.segment(), at + d * 4L, tail);
      squares = v.fma(v, squares);
    }
    float mean = Lanes.sum(squares) / dimension;
    float factor = (float) (1 / Math.sqrt(mean + (double) epsilon));
    long w = weight.row(0);
    for (d = 0; d < whole; d += Lanes.COUNT) {
      FloatVector v = Lanes.load(x.segment(), at + d * 4L).mul(factor);
      Lanes.store(v.mul(Lanes.load(weight.segment(), w + d * 4L)), x.segment(), at + d * 4L);
    }
    if (d < dimension) {
      FloatVector v = Lanes.load(x.segment(), at + d * 4L, tail).mul(factor);
      v = v.mul(Lanes.load(weight.segment(), w + d * 4L, tail));
      Lanes.store(v, x.segment(), at + d * 4L, tail);
    }
  }

  /** One position's angles for every channel: cosines twice, sines with the sign of the pair's first and second channel. */
  private static void spread(Angles angles, int position, Scratch scratch) {
    long cosine = angles.cosines().row(position);
    long sine = angles.sines().row(position);
    for (int k = 0; k < angles.cosines().columns(); k++) {
      float c = angles.cosines().segment().get(Lanes.FLOAT, cosine + k * 4L);
      float s = angles.sines().segment().get(Lanes.FLOAT, sine + k * 4L);
      scratch.cosines[2 * k] = c;
      scratch.cosines[2 * k + 1] = c;
      scratch.sines[2 * k] = -s;
      scratch.sines[2 * k + 1] = s;
    }
  }

  static void rotateHead(View x, long at, int dimension, Scratch scratch) {
    int d = 0;
    for (; d < Lanes.whole(dimension); d += Lanes.COUNT) {
      FloatVector v = Lanes.load(x.segment(), at + d * 4L);
      Lanes.store(rotate(v, scratch, d), x.segment(), at + d * 4L);
    }
    if (d < dimension) {
      VectorMask<Float> tail = Lanes.tail(d, dimension);
      FloatVector v = Lanes.load(x.segment(), at + d * 4L, tail);
      Lanes.store(rotate(v, scratch, d), x.segment(), at + d * 4L, tail);
    }
  }

  /** Channels k and k + half, with the angle k. */
  private static void rotateHalves(View x, long at, int half, Angles angles, int position) {
    long cosine = angles.cosines().row(position);
    long sine = angles.sines().row(position);
    for (int k = 0; k < half; k += Lanes.COUNT) {
      VectorMask<Float> mask = Lanes.tail(k, half);
      long first = at + k * 4L;
      long second = at + (half + k) * 4L;
      FloatVector a = Lanes.load(x.segment(), first, mask);
      FloatVector b = Lanes.load(x.segment(), second, mask);
      FloatVector c = Lanes.load(angles.cosines().segment(), cosine + k * 4L, mask);
      FloatVector s = Lanes.load(angles.sines().segment(), sine + k * 4L, mask);
      Lanes.store(b.fma(s.neg(), a.mul(c)), x.segment(), first, mask);
      Lanes.store(a.fma(s, b.mul(c)), x.segment(), second, mask);
    }
  }

  private static FloatVector rotate(FloatVector v, Scratch scratch, int d) {
    FloatVector turned = v.mul(FloatVector.fromArray(Lanes.FLOATS, scratch.cosines, d));
    FloatVector sines = FloatVector.fromArray(Lanes.FLOATS, scratch.sines, d);
    return v.rearrange(SWAP).fma(sines, turned);
  }
}
