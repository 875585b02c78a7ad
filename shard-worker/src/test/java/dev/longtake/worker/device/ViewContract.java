package dev.longtake.worker.device;

import static dev.longtake.worker.device.Lab.assertSameBits;
import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.tensor.DType;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * Columns of a wider buffer: a kernel gives the same bits as on rows without gaps, and leaves the other columns as they were.
 */
abstract class ViewContract extends SamplerContract {
  /** Columns in the middle of a wider matrix that is full of other values. */
  private final class Window {
    static final int LEFT = 5;
    final Matrix wide;
    final Matrix inner;
    final float[] before;

    Window(Matrix dense) {
      int columns = dense.columns();
      wide = lab.normal(dense.rows(), 3 * columns + 2 * LEFT, dense.dtype());
      inner = wide.columns(LEFT, LEFT + columns);
      device.copy(dense, inner);
      before = lab.read(wide);
    }

    /** Compares the columns with another result, and the columns beside them with what they were. */
    void check(Matrix expected, String what) {
      assertSameBits(lab.read(inner), lab.read(expected), what);
      float[] after = lab.read(wide);
      for (int i = 0; i < after.length; i++) {
        int column = i % wide.columns() - LEFT;
        if (column < 0 || column >= inner.columns()) {
          assertThat(Float.floatToRawIntBits(after[i]))
              .as("%s, beside the view, element %d", what, i)
              .isEqualTo(Float.floatToRawIntBits(before[i]));
        }
      }
    }
  }

  private Matrix dense(int rows, int columns, DType dtype) {
    Matrix matrix = lab.zeros(rows, columns, 0, columns, dtype);
    lab.put(matrix, lab.values(rows * columns));
    return matrix;
  }

  @Test
  void shouldMultiplyTheSameBitsWhenInputAndOutputAreColumnsOfWiderRows() {
    int[][] shapes = {{1, 24, 40}, {16, 72, 48}, {17, 33, 7}, {64, 16, 16}, {130, 48, 1}};
    for (int[] shape : shapes) {
      for (DType inputType : inputTypes()) {
        for (DType outputType : new DType[] {DType.F32, DType.BF16}) {
          checkProduct(shape[0], shape[1], shape[2], inputType, outputType);
        }
      }
    }
  }

  private void checkProduct(int rows, int k, int n, DType inputType, DType outputType) {
    String what = "%d x %d to %d, %s to %s".formatted(rows, k, n, inputType, outputType);
    PackedLinear layer = lab.pack(lab.values(n * k), null, n, k, inputType);
    Matrix in = dense(rows, k, inputType);
    Window wideIn = new Window(in);
    Matrix out = dense(rows, n, outputType);
    Window wideOut = new Window(out);
    device.linear(layer, in, out, Activation.SILU);
    device.linear(layer, wideIn.inner, wideOut.inner, Activation.SILU);
    wideOut.check(out, what);

    Matrix residual = dense(rows, n, DType.F32);
    Window wideResidual = new Window(residual);
    device.linearResidual(layer, in, residual, null);
    device.linearResidual(layer, wideIn.inner, wideResidual.inner, null);
    wideResidual.check(residual, what + ", added");
    wideIn.check(in, what + ", input");
  }

  @Test
  void shouldAttendWithTheSameBitsWhenMatricesAreColumnsOfWiderRows() {
    Sequences queries = new Sequences(new int[] {0, 9}, new int[] {9, 14}, 1);
    Sequences keys = new Sequences(new int[] {3, 0}, new int[] {70, 81}, 1);
    for (DType outputType : new DType[] {DType.F32, DType.BF16}) {
      Matrix query = dense(23, 3 * 20, DType.F32);
      Matrix key = dense(81, 3 * 20, DType.F32);
      Matrix value = dense(81, 3 * 20, DType.F32);
      Matrix out = dense(23, 3 * 20, outputType);
      Window wide = new Window(out);
      device.attention(query, key, value, out, 3, queries, keys, 0.3f);
      device.attention(
          new Window(query).inner,
          new Window(key).inner,
          new Window(value).inner,
          wide.inner,
          3,
          queries,
          keys,
          0.3f);
      wide.check(out, "attention to " + outputType);
    }
  }

  @Test
  void shouldModulateAndActivateTheSameBitsWhenMatricesAreColumnsOfWiderRows() {
    for (DType outputType : new DType[] {DType.F32, DType.BF16}) {
      Matrix in = dense(29, 37, DType.F32);
      Window wideIn = new Window(in);
      Matrix out = dense(29, 37, outputType);
      Window wideOut = new Window(out);
      RowVectors vectors =
          new RowVectors(dense(2, 37, DType.F32), new int[] {1, RowVectors.NONE, 0}, 10);
      device.modulate(in, out, vectors, vectors, 1e-6f);
      device.modulate(wideIn.inner, wideOut.inner, vectors, vectors, 1e-6f);
      wideOut.check(out, "modulated to " + outputType);

      device.activate(in, out, Activation.GELU_TANH);
      device.activate(wideIn.inner, wideOut.inner, Activation.GELU_TANH);
      wideOut.check(out, "activated to " + outputType);
      device.activate(in, in, Activation.SILU);
      device.activate(wideIn.inner, wideIn.inner, Activation.SILU);
      wideIn.check(in, "activated in place");
    }
  }

  @Test
  void shouldTurnAddAndCombineTheSameBitsWhenMatricesAreColumnsOfWiderRows() {
    Matrix x = dense(31, 2 * 22, DType.F32);
    Window wide = new Window(x);
    Matrix table = dense(4, 2 * 22, DType.F32);
    Window wideTable = new Window(table);
    device.addRows(x, table, 3);
    device.addRows(wide.inner, wideTable.inner, 3);
    wide.check(x, "table added");

    Matrix angles = dense(5, 11, DType.F32);
    Matrix wideAngles = new Window(angles).inner;
    for (Pairing pairing : Pairing.values()) {
      device.normRotate(x, 2, null, 1e-6f, new Rotation(angles, angles, 2, pairing));
      device.normRotate(
          wide.inner, 2, null, 1e-6f, new Rotation(wideAngles, wideAngles, 2, pairing));
      wide.check(x, "turned, " + pairing);
    }

    Matrix noise = dense(31, 2 * 22, DType.F32);
    Matrix wideNoise = new Window(noise).inner;
    device.combine(
        x, List.of(new Term(x, new float[] {0.3f}), new Term(noise, new float[] {-2.5f})));
    device.combine(
        wide.inner,
        List.of(
            new Term(wide.inner, new float[] {0.3f}), new Term(wideNoise, new float[] {-2.5f})));
    wide.check(x, "combined");

    Matrix variance = dense(31, 2 * 22, DType.F32);
    device.addLearnedNoise(x, variance, noise, -3, -1);
    device.addLearnedNoise(wide.inner, new Window(variance).inner, wideNoise, -3, -1);
    wide.check(x, "learned noise added");
  }
}
