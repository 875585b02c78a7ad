package dev.longtake.worker.device;

import static dev.longtake.worker.device.Lab.assertClose;
import static dev.longtake.worker.device.Lab.assertSameBits;
import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.noise.PhiloxNoise;
import dev.longtake.common.tensor.DType;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** Kernels that work row by row. */
abstract class RowContract extends AttentionContract {
  private DType eitherType() {
    return lab.between(0, 1) == 0 ? DType.F32 : DType.BF16;
  }

  private static double tolerance(Matrix out) {
    return out.dtype() == DType.BF16 ? 4e-3 : 1e-6;
  }

  @Test
  void shouldModulateWhenGroupsHaveVectorsOrNone() {
    for (int round = 0; round < 40; round++) {
      int rows = lab.between(1, 60);
      int columns = lab.between(1, 200);
      int rowsPerGroup = lab.between(1, 20);
      int[] groups = groups(Math.ceilDiv(rows, rowsPerGroup), 3);
      for (int g = 0; g < groups.length; g += 3) {
        groups[g] = RowVectors.NONE;
      }
      float[] values = lab.values(rows * columns);
      for (int i = 0; i < values.length; i++) {
        // Rows of all scales, and a mean that is not zero.
        values[i] = (float) (values[i] * Math.pow(10, i / columns % 5 - 3) + i / columns % 3);
      }
      Matrix in = lab.of(values, rows, columns, DType.F32);
      Matrix out = round % 4 == 0 ? in : lab.normal(rows, columns, eitherType());
      Matrix table = lab.normal(3, 2 * columns, DType.F32);
      RowVectors vectors = new RowVectors(table, groups, rowsPerGroup);
      float[] before = lab.read(out);

      device.modulate(
          in, out, vectors.columns(0, columns), vectors.columns(columns, 2 * columns), 1e-6f);

      float[] vector = lab.read(table);
      double[] expected = Reference.toDoubles(before);
      for (int r = 0; r < rows; r++) {
        int group = groups[r / rowsPerGroup];
        if (group != RowVectors.NONE) {
          double[] normal = Reference.layerNorm(Lab.rows(values, columns, r, r + 1), 1e-6f);
          for (int c = 0; c < columns; c++) {
            double shift = vector[group * 2 * columns + c];
            double scale = vector[group * 2 * columns + columns + c];
            expected[r * columns + c] = normal[c] * (1 + scale) + shift;
          }
        }
      }
      assertClose(lab.read(out), expected, tolerance(out));
    }
  }

  @Test
  void shouldKeepPrecisionWhenVarianceIsTiny() {
    int columns = 96;
    float[] values = new float[columns];
    for (int c = 0; c < columns; c++) {
      values[c] = 100 + (c % 7) * 1e-3f;
    }
    Matrix in = lab.of(values, 1, columns, DType.F32);
    Matrix out = lab.zeros(1, columns, DType.F32);
    Matrix zeros = lab.zeros(1, columns, DType.F32);
    RowVectors plain = new RowVectors(zeros, new int[] {0}, 1);
    device.modulate(in, out, plain, plain, 1e-6f);
    assertClose(lab.read(out), Reference.layerNorm(values, 1e-6f), 2e-6);

    // A constant row has no variance at all.
    Arrays.fill(values, 3.3f);
    lab.put(in, values);
    device.modulate(in, out, plain, plain, 1e-6f);
    assertClose(lab.read(out), new double[columns], 1e-6);
  }

  @Test
  void shouldNormAndRotateWhenEitherIsGiven() {
    for (int round = 0; round < 40; round++) {
      int heads = lab.between(1, 5);
      int dimension = 2 * lab.between(1, 64);
      int rows = lab.between(1, 50);
      int columns = heads * dimension;
      boolean norm = round % 3 != 0;
      boolean rotate = round % 4 != 0;
      int positions = lab.between(1, 9);
      int rowsPerPosition = lab.between(1, 6);
      float[] before = lab.values(rows * columns);
      Matrix x = lab.of(before, rows, columns, DType.F32);
      Matrix weight = lab.normal(1, dimension, DType.F32);
      float[] cosines = lab.values(positions * dimension / 2);
      float[] sines = lab.values(positions * dimension / 2);
      Pairing pairing = lab.between(0, 1) == 0 ? Pairing.ADJACENT : Pairing.HALVES;
      Rotation rotation =
          new Rotation(
              lab.of(cosines, positions, dimension / 2, DType.F32),
              lab.of(sines, positions, dimension / 2, DType.F32),
              rowsPerPosition,
              pairing);

      device.normRotate(x, heads, norm ? weight : null, 1e-6f, rotate ? rotation : null);

      float[] w = lab.read(weight);
      double[] expected = Reference.toDoubles(before);
      for (int at = 0; at < expected.length; at += dimension) {
        if (norm) {
          double squares = 0;
          for (int d = 0; d < dimension; d++) {
            squares += expected[at + d] * expected[at + d] / dimension;
          }
          for (int d = 0; d < dimension; d++) {
            expected[at + d] = expected[at + d] / Math.sqrt(squares + 1e-6f) * w[d];
          }
        }
        int position = at / columns / rowsPerPosition % positions;
        if (rotate) {
          int angles = position * dimension / 2;
          Reference.rotate(expected, at, dimension, cosines, sines, angles, pairing);
        }
      }
      assertClose(lab.read(x), expected, 1e-6);
    }
  }

  @Test
  void shouldTurnTheSameBitsWhenChannelsArePairedInAnotherOrder() {
    for (int dimension : new int[] {2, 6, 12, 34, 72, 128, 256}) {
      int half = dimension / 2;
      int heads = 3;
      int rows = 11;
      float[] adjacent = lab.values(rows * heads * dimension);
      float[] halves = new float[adjacent.length];
      for (int i = 0; i < adjacent.length; i++) {
        int d = i % dimension;
        halves[i - d + d / 2 + d % 2 * half] = adjacent[i];
      }
      Matrix a = lab.of(adjacent, rows, heads * dimension, DType.F32);
      Matrix h = lab.of(halves, rows, heads * dimension, DType.F32);
      Matrix cosines = lab.normal(4, half, DType.F32);
      Matrix sines = lab.normal(4, half, DType.F32);
      device.normRotate(a, heads, null, 0, new Rotation(cosines, sines, 2, Pairing.ADJACENT));
      device.normRotate(h, heads, null, 0, new Rotation(cosines, sines, 2, Pairing.HALVES));
      float[] expected = lab.read(a);
      float[] actual = lab.read(h);
      float[] reordered = new float[actual.length];
      for (int i = 0; i < actual.length; i++) {
        int d = i % dimension;
        reordered[i] = actual[i - d + d / 2 + d % 2 * half];
      }
      assertSameBits(reordered, expected, "dimension " + dimension);
    }
  }

  @Test
  void shouldActivateWhenValuesAreOfAllSizes() {
    for (Activation activation : Activation.values()) {
      for (int round = 0; round < 10; round++) {
        int rows = lab.between(1, 20);
        int columns = lab.between(1, 120);
        float[] values = lab.values(rows * columns);
        for (int i = 0; i < values.length; i++) {
          values[i] *= 3;
        }
        Matrix in = lab.of(values, rows, columns, eitherType());
        Matrix out = round % 3 == 0 ? in : lab.zeros(rows, columns, eitherType());
        double[] expected = Reference.toDoubles(lab.read(in));
        device.activate(in, out, activation);
        for (int i = 0; i < expected.length; i++) {
          expected[i] = Reference.activate(expected[i], activation);
        }
        assertClose(lab.read(out), expected, tolerance(out));
      }
      float[] extremes = {
        0, -0f, 1e-30f, -1e-30f, 50, -50, 1e4f, -1e4f, 3e38f, -3e38f, 88.8f, -88.8f
      };
      Matrix in = lab.of(extremes, 1, extremes.length, DType.F32);
      device.activate(in, in, activation);
      float[] actual = lab.read(in);
      for (int i = 0; i < extremes.length; i++) {
        double expected = Reference.activate(extremes[i], activation);
        assertThat(Math.abs(actual[i] - expected) <= 1e-6 * Math.abs(expected) + 1e-35)
            .as("%s of %s: %s for %s", activation, extremes[i], actual[i], expected)
            .isTrue();
      }
      lab.put(in, new float[extremes.length]);
      Matrix nan = lab.of(new float[] {Float.NaN, 1}, 1, 2, DType.F32);
      Matrix rounded = lab.zeros(1, 2, DType.BF16);
      device.activate(nan, rounded, activation);
      assertThat(lab.read(rounded)[0]).isNaN();
      assertThat(lab.read(rounded)[1]).isNotNaN();
    }
  }

  @Test
  void shouldAddTableRowsWhenTheTableRepeats() {
    for (int rowsPerTableRow : new int[] {1, 2, 4, 23, 100}) {
      Matrix x = lab.normal(23, 37, DType.F32);
      Matrix table = lab.normal(5, 37, DType.F32);
      float[] before = lab.read(x);
      float[] rows = lab.read(table);
      device.addRows(x, table, rowsPerTableRow);
      for (int i = 0; i < before.length; i++) {
        before[i] += rows[i / 37 / rowsPerTableRow % 5 * 37 + i % 37];
      }
      assertSameBits(lab.read(x), before, rowsPerTableRow + " rows per table row");
    }
  }

  @Test
  void shouldMakeTheSharedNoiseWhenAnyPartIsAskedFor() {
    Matrix out = lab.zeros(33, 50, DType.F32);
    device.noise(out, 11, 22, 1003);
    float[] actual = lab.read(out);
    for (int i = 0; i < actual.length; i++) {
      assertThat(actual[i]).isEqualTo(PhiloxNoise.at(11, 22, 1003 + i));
    }
  }

  @Test
  void shouldCopyWhenStridesDiffer() {
    for (DType dtype : new DType[] {DType.F32, DType.BF16}) {
      Matrix source = lab.normal(19, 23, dtype);
      Matrix wide = lab.normal(19, 60, dtype);
      float[] before = lab.read(wide);
      device.copy(source, wide.columns(7, 30));
      assertSameBits(lab.read(wide.columns(7, 30)), lab.read(source), "copied");
      assertSameBits(
          lab.read(wide.columns(30, 60).rows(18, 19)),
          Arrays.copyOfRange(before, 18 * 60 + 30, 19 * 60),
          "not copied");
    }
  }
}
