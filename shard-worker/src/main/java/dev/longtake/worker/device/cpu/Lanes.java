package dev.longtake.worker.device.cpu;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/**
 * Vectors of float32 from and to memory of either dtype. Ends of rows are done with masked lanes and never with scalar
 * code, so that every element goes through the same instructions.
 */
final class Lanes {
  static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_PREFERRED;
  static final int COUNT = FLOATS.length();

  private static final ByteOrder ORDER = ByteOrder.LITTLE_ENDIAN;

  /** A single value. */
  static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ORDER);

  static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ORDER);

  private static final VectorSpecies<Integer> INTS =
      VectorSpecies.of(int.class, FLOATS.vectorShape());
  private static final VectorSpecies<Short> SHORTS =
      VectorSpecies.of(short.class, VectorShape.forBitSize(FLOATS.vectorBitSize() / 2));

  // Constants of their own, because the compiler does not see through elements of an array.
  private static final VectorShuffle<Float> UPPER_32 = upper(32);
  private static final VectorShuffle<Float> UPPER_16 = upper(16);
  private static final VectorShuffle<Float> UPPER_8 = upper(8);
  private static final VectorShuffle<Float> UPPER_4 = upper(4);
  private static final VectorShuffle<Float> UPPER_2 = upper(2);
  private static final VectorShuffle<Float> UPPER_1 = upper(1);

  private Lanes() {}

  /** The greatest multiple of the lane count up to {@code columns}. */
  static int whole(int columns) {
    return columns & -COUNT;
  }

  static int roundUp(int columns) {
    return (columns + COUNT - 1) & -COUNT;
  }

  /** The lanes of columns {@code from} to {@code columns - 1}. */
  static VectorMask<Float> tail(int from, int columns) {
    return FLOATS.indexInRange(from, columns);
  }

  static FloatVector load(MemorySegment segment, long offsetBytes) {
    return FloatVector.fromMemorySegment(FLOATS, segment, offsetBytes, ORDER);
  }

  static FloatVector load(MemorySegment segment, long offsetBytes, VectorMask<Float> mask) {
    return FloatVector.fromMemorySegment(FLOATS, segment, offsetBytes, ORDER, mask);
  }

  static void store(FloatVector vector, MemorySegment segment, long offsetBytes) {
    vector.intoMemorySegment(segment, offsetBytes, ORDER);
  }

  static void store(
      FloatVector vector, MemorySegment segment, long offsetBytes, VectorMask<Float> mask) {
    vector.intoMemorySegment(segment, offsetBytes, ORDER, mask);
  }

  /** Loads float32, or widens bfloat16. */
  static FloatVector load(MemorySegment segment, long offsetBytes, boolean bfloat) {
    if (!bfloat) {
      return load(segment, offsetBytes);
    }
    return widen(ShortVector.fromMemorySegment(SHORTS, segment, offsetBytes, ORDER));
  }

  static FloatVector load(
      MemorySegment segment, long offsetBytes, boolean bfloat, VectorMask<Float> mask) {
    if (!bfloat) {
      return load(segment, offsetBytes, mask);
    }
    return widen(
        ShortVector.fromMemorySegment(SHORTS, segment, offsetBytes, ORDER, mask.cast(SHORTS)));
  }

  /** Stores float32, or rounds to bfloat16. */
  static void store(FloatVector vector, MemorySegment segment, long offsetBytes, boolean bfloat) {
    if (bfloat) {
      round(vector).intoMemorySegment(segment, offsetBytes, ORDER);
    } else {
      store(vector, segment, offsetBytes);
    }
  }

  static void store(
      FloatVector vector,
      MemorySegment segment,
      long offsetBytes,
      boolean bfloat,
      VectorMask<Float> mask) {
    if (bfloat) {
      round(vector).intoMemorySegment(segment, offsetBytes, ORDER, mask.cast(SHORTS));
    } else {
      store(vector, segment, offsetBytes, mask);
    }
  }

  private static FloatVector widen(ShortVector halves) {
    return ((IntVector) halves.convertShape(VectorOperators.ZERO_EXTEND_S2I, INTS, 0))
        .lanewise(VectorOperators.LSHL, 16)
        .reinterpretAsFloats();
  }

  /** To nearest, ties to even; a NaN stays a NaN: as {@link dev.longtake.common.tensor.Bfloat16}. */
  private static ShortVector round(FloatVector vector) {
    IntVector bits = vector.reinterpretAsInts();
    IntVector upper = bits.lanewise(VectorOperators.LSHR, 16);
    IntVector rounded = upper.and(1).add(0x7FFF).add(bits).lanewise(VectorOperators.LSHR, 16);
    VectorMask<Integer> nan = vector.test(VectorOperators.IS_NAN).cast(INTS);
    return (ShortVector)
        rounded.blend(upper.or(0x40), nan).convertShape(VectorOperators.I2S, SHORTS, 0);
  }

  /**
   * Adds all lanes pairwise, the upper half to the lower half until one is left. {@code reduceLanes} may add them in any
   * order, which changes the last bits.
   */
  static float sum(FloatVector vector) {
    FloatVector sum = vector;
    if (COUNT > 32) {
      sum = sum.add(sum.rearrange(UPPER_32));
    }
    if (COUNT > 16) {
      sum = sum.add(sum.rearrange(UPPER_16));
    }
    if (COUNT > 8) {
      sum = sum.add(sum.rearrange(UPPER_8));
    }
    if (COUNT > 4) {
      sum = sum.add(sum.rearrange(UPPER_4));
    }
    if (COUNT > 2) {
      sum = sum.add(sum.rearrange(UPPER_2));
    }
    return sum.add(sum.rearrange(UPPER_1)).lane(0);
  }

  /** Moves lane {@code i + distance} to lane i. */
  private static VectorShuffle<Float> upper(int distance) {
    return VectorShuffle.fromOp(FLOATS, lane -> (lane + distance) % COUNT);
  }
}
