package dev.longtake.worker.engine.loading;

import dev.longtake.common.checkpoint.Checkpoint;
import dev.longtake.common.checkpoint.TensorInfo;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.OptionalDouble;
import java.util.OptionalInt;

/**
 * What a stored position table tells: its slowest row holds {@code sin(p)} and {@code cos(p)} of each place p, and places are
 * {@code i / scale}. Tables are [1, tokens, channels]; in space the first half of the channels is the column's.
 */
final class StoredPositions {
  /** Scales are small fractions; stored tables give them to about this relative precision, or less in 16 bits. */
  private static final double PRECISION = 1e-5;

  private static final int MAX_DENOMINATOR = 32;

  private StoredPositions() {}

  /**
   * Of a table over rows and columns.
   *
   * @param stretched whether columns were stretched to the side of a square of as many cells, cut to an integer
   */
  static OptionalDouble spaceScale(Checkpoint checkpoint, String table, boolean stretched) {
    OptionalDouble scale = scale(checkpoint, table, 4);
    OptionalInt columns = columns(checkpoint, table);
    if (!stretched || scale.isEmpty() || columns.isEmpty()) {
      return scale;
    }
    long tokens = checkpoint.info(table).orElseThrow().shape().get(1);
    double stretch = Math.floor(Math.sqrt((double) tokens)) / columns.getAsInt();
    return OptionalDouble.of(fraction(scale.getAsDouble() * stretch));
  }

  /** Of a table over frames. */
  static OptionalDouble timeScale(Checkpoint checkpoint, String table) {
    return scale(checkpoint, table, 2);
  }

  /** Columns of a table over rows and columns: after so many tokens, the column is the first again. */
  static OptionalInt columns(Checkpoint checkpoint, String name) {
    TensorInfo info = checkpoint.info(name).orElse(null);
    if (info == null || !isTable(info)) {
      return OptionalInt.empty();
    }
    int tokens = info.shape().get(1).intValue();
    long channels = info.shape().get(2);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment values = checkpoint.f32(name, arena, shape(info));
      MemorySegment first = values.asSlice(0, channels / 2 * Float.BYTES);
      for (int token = 1; token < tokens; token++) {
        if (values.asSlice(token * channels * Float.BYTES, first.byteSize()).mismatch(first) < 0) {
          return tokens % token == 0 ? OptionalInt.of(token) : OptionalInt.empty();
        }
      }
      return OptionalInt.of(tokens);
    }
  }

  /** The square with so many cells. */
  static OptionalInt squareSide(int cells) {
    int side = (int) Math.round(Math.sqrt(Math.max(cells, 0)));
    return side > 0 && (long) side * side == cells ? OptionalInt.of(side) : OptionalInt.empty();
  }

  /** From the second token, at place {@code 1 / scale}, which is one radian or few: a scale below 1 / pi isn't found. */
  private static OptionalDouble scale(Checkpoint checkpoint, String name, int share) {
    TensorInfo info = checkpoint.info(name).orElse(null);
    if (info == null || !isTable(info) || info.shape().get(1) < 2) {
      return OptionalDouble.empty();
    }
    long channels = info.shape().get(2);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment values = checkpoint.f32(name, arena, shape(info));
      double sine = values.getAtIndex(ValueLayout.JAVA_FLOAT, channels);
      double cosine = values.getAtIndex(ValueLayout.JAVA_FLOAT, channels + channels / share);
      double angle = Math.atan2(sine, cosine);
      return angle > 0 ? OptionalDouble.of(fraction(1 / angle)) : OptionalDouble.empty();
    }
  }

  /** Whether it is [1, tokens, channels]. */
  static boolean isTable(TensorInfo info) {
    return info.shape().size() == 3
        && info.shape().getFirst() == 1
        && info.shape().get(1) >= 1
        && info.shape().get(1) <= Integer.MAX_VALUE
        && info.shape().get(2) >= 4;
  }

  static long[] shape(TensorInfo info) {
    return info.shape().stream().mapToLong(Long::longValue).toArray();
  }

  /** The value without the rounding of the table. */
  private static double fraction(double value) {
    for (int denominator = 1; denominator <= MAX_DENOMINATOR; denominator++) {
      double candidate = Math.rint(value * denominator) / denominator;
      if (Math.abs(candidate - value) <= PRECISION * value) {
        return candidate;
      }
    }
    return value;
  }
}
