package dev.longtake.worker.device;

import static dev.longtake.worker.device.Lab.assertClose;
import static dev.longtake.worker.device.Lab.assertSameBits;
import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.tensor.DType;
import org.junit.jupiter.api.Test;

/** Matrix products. */
public abstract class ProductContract extends DeviceFixture {
  /** Rounding of a sum of K products in float32, and of a result to bfloat16. */
  private static double tolerance(DType out) {
    return out == DType.BF16 ? 4e-3 : 2e-6;
  }

  @Test
  void shouldMultiplyWhenShapesTypesAndStridesVary() {
    for (Activation activation : Activation.values()) {
      checkProducts(activation);
    }
  }

  private void checkProducts(Activation activation) {
    for (int round = 0; round < 20; round++) {
      DType inputType = inputTypes()[round % inputTypes().length];
      DType outputType = lab.between(0, 1) == 0 ? DType.F32 : DType.BF16;
      int rows = lab.between(0, 200);
      int k = lab.between(1, 100);
      int n = round % 5 == 2 ? lab.between(500, 900) : lab.between(1, 100);
      float[] weight = lab.values(n * k);
      float[] bias = lab.between(0, 1) == 0 ? null : lab.values(n);
      Matrix in = lab.normal(rows, k, inputType);
      Matrix out = lab.zeros(rows, n, outputType);
      PackedLinear layer = lab.pack(weight, bias, n, k, inputType);
      assertThat(layer.inputColumns()).isEqualTo(k);
      assertThat(layer.outputColumns()).isEqualTo(n);
      assertThat(layer.inputType()).isEqualTo(inputType);

      device.linear(layer, in, out, activation);

      float[] rounded = inputType == DType.BF16 ? Reference.toBfloat(weight) : weight;
      double[] expected = Reference.linear(lab.read(in), rounded, bias, rows, k, n);
      for (int i = 0; i < expected.length; i++) {
        expected[i] = Reference.activate(expected[i], activation);
      }
      assertClose(lab.read(out), expected, tolerance(outputType));
    }
  }

  @Test
  void shouldGiveEqualBitsWhenTheSameWeightsComeInFloat32OrBfloat16() {
    for (int[] shape : new int[][] {{16, 32}, {33, 65}, {129, 1}, {300, 130}, {1, 7}}) {
      for (DType inputType : inputTypes()) {
        int k = shape[0];
        int n = shape[1];
        float[] weight = Reference.toBfloat(lab.values(n * k));
        float[] bias = lab.values(n);
        Matrix in = lab.normal(20, k, inputType);
        Matrix out = lab.zeros(20, n, DType.F32);
        device.linear(lab.pack(weight, bias, n, k, inputType), in, out, Activation.NONE);
        float[] expected = lab.read(out);
        device.linear(lab.packBfloat(weight, bias, n, k, inputType), in, out, Activation.NONE);
        assertSameBits(lab.read(out), expected, "%d x %d %s".formatted(k, n, inputType));
      }
    }
  }

  @Test
  void shouldGiveEqualBitsWhenARowIsMultipliedInAnyCompany() {
    int[][] shapes = {
      {16, 32}, {48, 72}, {72, 48}, {128, 40}, {1152, 96}, {33, 1}, {64, 2}, {100, 3}, {1, 7}
    };
    for (int[] shape : shapes) {
      for (DType inputType : inputTypes()) {
        checkCompany(shape[0], shape[1], inputType, /* most= */ 130, shape[0] > 1000 ? 7 : 1);
      }
    }
  }

  /**
   * Compares rows of a product with those of products of fewer rows.
   *
   * @param most rows
   * @param step from one number of fewer rows to the next
   */
  protected final void checkCompany(int k, int n, DType inputType, int most, int step) {
    Matrix in = lab.normal(most, k, inputType);
    Matrix out = lab.zeros(most, n, DType.F32);
    Matrix other = lab.zeros(most, n, 3, n + 5, DType.F32);
    PackedLinear layer = lab.pack(lab.values(n * k), lab.values(n), n, k, inputType);
    device.linear(layer, in, out, Activation.NONE);
    float[] all = lab.read(out);
    for (int rows = 1; rows <= most; rows += step) {
      int from = lab.between(0, most - rows);
      Matrix part = other.rows(0, rows);
      device.linear(layer, in.rows(from, from + rows), part, Activation.NONE);
      assertSameBits(
          lab.read(part),
          Lab.rows(all, n, from, from + rows),
          "%d rows of %s, K %d, N %d".formatted(rows, inputType, k, n));
    }
  }

  @Test
  void shouldEqualActivateWhenAnActivationIsFused() {
    for (Activation activation : Activation.values()) {
      for (DType outputType : new DType[] {DType.F32, DType.BF16}) {
        Matrix in = lab.normal(70, 24, DType.F32);
        PackedLinear layer = lab.pack(lab.values(40 * 24), lab.values(40), 40, 24, DType.F32);
        Matrix fused = lab.zeros(70, 40, outputType);
        Matrix plain = lab.zeros(70, 40, DType.F32);
        Matrix separate = lab.zeros(70, 40, outputType);
        device.linear(layer, in, fused, activation);
        device.linear(layer, in, plain, Activation.NONE);
        device.activate(plain, separate, activation);
        assertSameBits(lab.read(fused), lab.read(separate), activation + " to " + outputType);
      }
    }
  }

  @Test
  void shouldAddGatedProductWhenGroupsHaveVectors() {
    for (int round = 0; round < 30; round++) {
      DType inputType = inputTypes()[round % inputTypes().length];
      int rowsPerGroup = lab.between(1, 30);
      int rows = lab.between(1, 150);
      int k = lab.between(1, 60);
      int n = round % 5 == 2 ? lab.between(500, 900) : lab.between(1, 60);
      int[] groups = groups(Math.ceilDiv(rows, rowsPerGroup), 4);
      float[] weight = lab.values(n * k);
      float[] bias = round % 4 == 1 ? null : lab.values(n);
      float[] before = lab.values(rows * n);
      Matrix in = lab.normal(rows, k, inputType);
      Matrix residual = lab.of(before, rows, n, DType.F32);
      Matrix table = lab.normal(4, n + 3, DType.F32);
      RowVectors gate = new RowVectors(table, groups, rowsPerGroup).columns(2, n + 2);
      PackedLinear layer = lab.pack(weight, bias, n, k, inputType);
      boolean gated = round % 3 != 0;

      device.linearResidual(layer, in, residual, gated ? gate : null);

      float[] rounded = inputType == DType.BF16 ? Reference.toBfloat(weight) : weight;
      double[] expected = Reference.linear(lab.read(in), rounded, bias, rows, k, n);
      float[] gates = lab.read(gate.table());
      for (int i = 0; i < expected.length; i++) {
        double factor = gated ? gates[groups[i / n / rowsPerGroup] * n + i % n] : 1;
        expected[i] = before[i] + factor * expected[i];
      }
      assertClose(lab.read(residual), expected, tolerance(DType.F32));
    }
  }

  /** Vectors below {@code vectors} for some groups. */
  int[] groups(int count, int vectors) {
    int[] groups = new int[count];
    for (int g = 0; g < count; g++) {
      groups[g] = lab.between(0, vectors - 1);
    }
    return groups;
  }
}
