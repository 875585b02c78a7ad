package dev.longtake.worker.engine.wire;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.plan.WireFormat;
import dev.longtake.common.tensor.Bfloat16;
import dev.longtake.common.tensor.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** Rows of random shapes and sizes, from one memory to another as an exchange would move them. */
final class WireTest {
  private static final long SEED = 20261126;
  private static final int ROUNDS = 300;
  private static final List<WireFormat> FORMATS = List.of(WireFormat.values());

  private static float value(MemorySegment rows, long index, DType dtype) {
    return dtype == DType.F32
        ? rows.getAtIndex(ValueLayout.JAVA_FLOAT, index)
        : Bfloat16.toFloat(rows.getAtIndex(ValueLayout.JAVA_SHORT, index));
  }

  private static void set(MemorySegment rows, long index, DType dtype, float value) {
    if (dtype == DType.F32) {
      rows.setAtIndex(ValueLayout.JAVA_FLOAT, index, value);
    } else {
      rows.setAtIndex(ValueLayout.JAVA_SHORT, index, Bfloat16.fromFloat(value));
    }
  }

  /** Rows of very different sizes, some of them zero, denormal or huge. */
  private static float random(SplittableRandom random, int exponent) {
    return (float) Math.scalb(random.nextDouble() * 2 - 1, exponent);
  }

  /** What arrives at a peer; the bytes that travel are counted. */
  private static float[] travel(
      MemorySegment sent, int rows, int columns, DType dtype, WireFormat format) {
    int count = rows * columns;
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment there = arena.allocate((long) count * dtype.sizeBytes(), 8);
      var wire = new Wire(format);
      MemorySegment room = wire.room(there, columns, dtype);
      MemorySegment packed = wire.packed(sent, columns, dtype);
      long rowBytes = (long) columns * dtype.sizeBytes();
      long done = 0;
      for (int row = 0; row < rows; row += 2) {
        done = wire.pack(sent, columns, dtype, Math.min(row + 2, rows) * rowBytes, done);
      }
      assertThat(done).isEqualTo(packed.byteSize());
      assertThat(packed.byteSize())
          .isEqualTo(room.byteSize())
          .isEqualTo(rows * format.rowBytes(columns, dtype.sizeBytes()));
      room.copyFrom(packed);
      wire.unpack(there, columns, dtype);
      float[] values = new float[count];
      for (int i = 0; i < count; i++) {
        values[i] = value(there, i, dtype);
      }
      return values;
    }
  }

  @Test
  void shouldBringEachValueWithinTheFormatsErrorWhenRowsAreRandom() {
    var random = new SplittableRandom(SEED);
    for (int round = 0; round < ROUNDS; round++) {
      int rows = random.nextInt(6);
      int columns = 1 + random.nextInt(round % 2 == 0 ? 5 : 150);
      DType dtype = random.nextBoolean() ? DType.F32 : DType.BF16;
      WireFormat format = FORMATS.get(random.nextInt(FORMATS.size()));
      String what = "seed %d, round %d: %s of %s".formatted(SEED, round, format, dtype);
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment sent =
            arena.allocate(Math.max(1, (long) rows * columns * dtype.sizeBytes()), 8);
        sent = sent.asSlice(0, (long) rows * columns * dtype.sizeBytes());
        float[] before = new float[rows * columns];
        float[] largest = new float[rows];
        for (int row = 0; row < rows; row++) {
          int exponent = random.nextInt(-149, 127);
          for (int i = row * columns; i < (row + 1) * columns; i++) {
            set(sent, i, dtype, random(random, exponent));
            before[i] = value(sent, i, dtype);
            largest[row] = Math.max(largest[row], Math.abs(before[i]));
          }
        }
        float[] after = travel(sent, rows, columns, dtype, format);
        boolean isStored =
            format.rowBytes(columns, dtype.sizeBytes()) == (long) columns * dtype.sizeBytes();
        for (int i = 0; i < after.length; i++) {
          if (isStored) {
            assertThat(after[i]).as(what).isEqualTo(before[i]);
          } else if (format == WireFormat.BF16) {
            assertThat(after[i])
                .as(what)
                .isEqualTo(Bfloat16.toFloat(Bfloat16.fromFloat(before[i])));
          } else {
            // Half a scale, what rounding the scale and the result adds, and the smallest number.
            double most = largest[i / columns] * (0.5 / 127 + 1.0 / 128) + 128 * Float.MIN_VALUE;
            assertThat((double) Math.abs(after[i] - before[i])).as(what).isLessThanOrEqualTo(most);
          }
        }
      }
    }
  }

  @Test
  void shouldKeepTheLargestValueAndZeroWhenRowsAreBytes() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment sent = arena.allocate(3 * Float.BYTES * 4, 8);
      float[] values = {-6.35f, 0, 3.2f, 0.05f, 0, 0, 0, 0, 1, -1, 0.5f, 0.25f};
      MemorySegment.copy(values, 0, sent, ValueLayout.JAVA_FLOAT, 0, values.length);
      float[] after = travel(sent, 3, 4, DType.F32, WireFormat.INT8_ROWS);
      assertThat(after[0]).isEqualTo(-6.35f);
      assertThat(after[1]).isZero();
      assertThat(after[2]).isCloseTo(3.2f, org.assertj.core.api.Assertions.within(0.0001f));
      assertThat(after[3]).isCloseTo(0.05f, org.assertj.core.api.Assertions.within(0.0001f));
      assertThat(new float[] {after[4], after[5], after[6], after[7]}).containsOnly(0);
      assertThat(after[8]).isEqualTo(1);
      assertThat(after[9]).isEqualTo(-1);
    }
  }

  @Test
  void shouldNotHideWhatIsNoNumber() {
    for (WireFormat format : WireFormat.values()) {
      for (float wrong :
          new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
        try (Arena arena = Arena.ofConfined()) {
          MemorySegment sent = arena.allocate(2 * 8 * Float.BYTES, 8);
          set(sent, 3, DType.F32, wrong);
          set(sent, 9, DType.F32, 1);
          float[] after = travel(sent, 2, 8, DType.F32, format);
          assertThat(Float.isFinite(after[3])).as("%s of %s", format, wrong).isFalse();
          assertThat(after[9]).as("the other row").isEqualTo(1);
        }
      }
    }
  }
}
