package dev.longtake.worker.device;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.tensor.Bfloat16;
import dev.longtake.common.tensor.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/** A device with seeded random matrices on it; frees what it made. */
final class Lab implements AutoCloseable {
  final Device device;
  final SplittableRandom random;
  private final List<Runnable> made = new ArrayList<>();

  Lab(Device device, long seed) {
    this.device = device;
    this.random = new SplittableRandom(seed);
  }

  int between(int least, int most) {
    return random.nextInt(least, most + 1);
  }

  /** Zeros, inside a larger buffer: rows have a gap between them, and the first does not start at 0. */
  Matrix zeros(int rows, int columns, DType dtype) {
    int stride = columns + between(0, 9);
    int offset = between(0, 9);
    return zeros(rows, columns, offset, stride, dtype);
  }

  Matrix zeros(int rows, int columns, int offset, int stride, DType dtype) {
    long sizeBytes = (offset + (long) rows * stride) * dtype.sizeBytes();
    return new Matrix(buffer(sizeBytes), offset, rows, columns, stride, dtype);
  }

  DeviceBuffer buffer(long sizeBytes) {
    DeviceBuffer buffer = device.memory().allocate(sizeBytes, "test");
    made.add(buffer::close);
    return buffer;
  }

  Matrix of(float[] values, int rows, int columns, DType dtype) {
    Matrix matrix = zeros(rows, columns, dtype);
    put(matrix, values);
    return matrix;
  }

  /** Standard normal values; of bfloat16 precision where the dtype is. */
  Matrix normal(int rows, int columns, DType dtype) {
    return of(values(rows * columns), rows, columns, dtype);
  }

  float[] values(int count) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  void put(Matrix matrix, float[] values) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment host = arena.allocate((long) values.length * matrix.dtype().sizeBytes(), 64);
      for (int i = 0; i < values.length; i++) {
        if (matrix.dtype() == DType.BF16) {
          host.setAtIndex(ValueLayout.JAVA_SHORT, i, Bfloat16.fromFloat(values[i]));
        } else {
          host.setAtIndex(ValueLayout.JAVA_FLOAT, i, values[i]);
        }
      }
      device.upload(host, matrix);
    }
  }

  /** Row-major values, widened to F32. */
  float[] read(Matrix matrix) {
    int count = matrix.rows() * matrix.columns();
    float[] values = new float[count];
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment host = arena.allocate((long) count * matrix.dtype().sizeBytes(), 64);
      device.download(matrix, host);
      for (int i = 0; i < count; i++) {
        values[i] =
            matrix.dtype() == DType.BF16
                ? Bfloat16.toFloat(host.getAtIndex(ValueLayout.JAVA_SHORT, i))
                : host.getAtIndex(ValueLayout.JAVA_FLOAT, i);
      }
    }
    return values;
  }

  /**
   * @param weight [outputColumns, inputColumns]
   */
  PackedLinear pack(
      float[] weight, float @Nullable [] bias, int outputColumns, int inputColumns, DType type) {
    PackedLinear layer =
        device.pack(
            MemorySegment.ofArray(weight),
            bias == null ? null : MemorySegment.ofArray(bias),
            outputColumns,
            inputColumns,
            type);
    made.add(layer::close);
    return layer;
  }

  /** The same from weights in bfloat16, which is what {@code weight} is rounded to. */
  PackedLinear packBfloat(
      float[] weight, float @Nullable [] bias, int outputColumns, int inputColumns, DType type) {
    short[] rounded = new short[weight.length];
    for (int i = 0; i < rounded.length; i++) {
      rounded[i] = Bfloat16.fromFloat(weight[i]);
    }
    PackedLinear layer =
        device.pack(
            MemorySegment.ofArray(rounded),
            DType.BF16,
            bias == null ? null : MemorySegment.ofArray(bias),
            outputColumns,
            inputColumns,
            type);
    made.add(layer::close);
    return layer;
  }

  static void assertClose(float[] actual, double[] expected, double tolerance) {
    assertThat(actual).hasSameSizeAs(expected);
    double greatest = 1e-30;
    for (double value : expected) {
      greatest = Math.max(greatest, Math.abs(value));
    }
    for (int i = 0; i < expected.length; i++) {
      double error = Math.abs(actual[i] - expected[i]) / greatest;
      // Written so that a NaN fails.
      assertThat(error <= tolerance)
          .as("element %d: %s for %s, relative error %s", i, actual[i], expected[i], error)
          .isTrue();
    }
  }

  static void assertSameBits(float[] actual, float[] expected, String what) {
    assertThat(actual).as(what).hasSameSizeAs(expected);
    for (int i = 0; i < expected.length; i++) {
      if (Float.floatToRawIntBits(actual[i]) != Float.floatToRawIntBits(expected[i])) {
        assertThat(actual[i]).as("%s, element %d", what, i).isEqualTo(expected[i]);
      }
    }
  }

  static int[] bits(float[] values) {
    int[] bits = new int[values.length];
    for (int i = 0; i < values.length; i++) {
      bits[i] = Float.floatToRawIntBits(values[i]);
    }
    return bits;
  }

  static float[] rows(float[] values, int columns, int from, int to) {
    return Arrays.copyOfRange(values, from * columns, to * columns);
  }

  @Override
  public void close() {
    made.forEach(Runnable::run);
    device.close();
  }
}
