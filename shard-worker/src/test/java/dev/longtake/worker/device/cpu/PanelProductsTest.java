package dev.longtake.worker.device.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.tensor.Bfloat16;
import dev.longtake.common.tensor.DType;
import dev.longtake.common.x86.InstructionSets;
import dev.longtake.worker.device.Activation;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.device.PackedLinear;
import dev.longtake.worker.device.ProductContract;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Our own products, on processors too that use others. */
final class PanelProductsTest extends ProductContract {
  private static final long MEMORY_BYTES = 1L << 30;

  private final Random random = new Random(20261128);

  @BeforeAll
  static void requireAvx2() {
    Assumptions.assumeTrue(InstructionSets.hasAvx2(), "needs AVX2");
  }

  @Override
  protected Device open(int threads, long memoryLimitBytes) {
    return CpuDevice.open(threads, memoryLimitBytes, ProductsKind.PANELS);
  }

  @Test
  void shouldMultiplyInBothTypesWhenTheProcessorHasOnlyAvx2() {
    assertThat(inputTypes()).containsExactly(DType.F32, DType.BF16);
  }

  /** Around the limits of panels, slices, tiles and blocks; so that threads divide rows, or columns, or nothing. */
  @Test
  void shouldBeOneChainOfMultiplyAddsWhenWorkIsDividedInAnyWay() {
    for (int[] shape :
        new int[][] {{1, 1, 1}, {5, 287, 17}, {7, 289, 256}, {193, 577, 272}, {400, 40, 513}}) {
      for (DType type : List.of(DType.F32, DType.BF16)) {
        int rows = shape[0];
        int inner = shape[1];
        int columns = shape[2];
        float[] in = values(rows * inner, type);
        float[] weight = values(columns * inner, type);
        float[] bias = values(columns, DType.F32);
        float[] expected = chains(in, weight, bias, rows, inner, columns);
        for (int threads = 1; threads <= 3; threads++) {
          assertThat(product(threads, in, weight, bias, rows, inner, columns, type))
              .as("%d x %d x %d of %s, %d threads", rows, inner, columns, type, threads)
              .isEqualTo(expected);
        }
      }
    }
  }

  private float[] values(int count, DType type) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      float value = (float) random.nextGaussian();
      values[i] = type == DType.BF16 ? Bfloat16.toFloat(Bfloat16.fromFloat(value)) : value;
    }
    return values;
  }

  private static float[] chains(
      float[] in, float[] weight, float[] bias, int rows, int inner, int columns) {
    float[] out = new float[rows * columns];
    for (int row = 0; row < rows; row++) {
      for (int column = 0; column < columns; column++) {
        float sum = bias[column];
        for (int k = 0; k < inner; k++) {
          sum = Math.fma(in[row * inner + k], weight[column * inner + k], sum);
        }
        out[row * columns + column] = sum;
      }
    }
    return out;
  }

  private static float[] product(
      int threads,
      float[] in,
      float[] weight,
      float[] bias,
      int rows,
      int inner,
      int columns,
      DType type) {
    try (Device device = CpuDevice.open(threads, MEMORY_BYTES, ProductsKind.PANELS);
        PackedLinear layer =
            device.pack(
                MemorySegment.ofArray(weight),
                DType.F32,
                MemorySegment.ofArray(bias),
                columns,
                inner,
                type);
        var inBuffer = device.memory().allocate((long) rows * inner * 4, "in");
        var outBuffer = device.memory().allocate((long) rows * columns * 4, "out")) {
      Matrix input = Matrix.dense(inBuffer, rows, inner, type);
      Matrix out = Matrix.dense(outBuffer, rows, columns, DType.F32);
      if (type == DType.BF16) {
        short[] halves = new short[in.length];
        for (int i = 0; i < in.length; i++) {
          halves[i] = Bfloat16.fromFloat(in[i]);
        }
        device.upload(MemorySegment.ofArray(halves), input);
      } else {
        device.upload(MemorySegment.ofArray(in), input);
      }
      device.linear(layer, input, out, Activation.NONE);
      float[] result = new float[rows * columns];
      device.download(out, MemorySegment.ofArray(result));
      return result;
    }
  }
}
