package dev.longtake.worker.device.cpu;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;

/**
 * The inner loop of attention: {@code c[rows, w] += a[rows, n] * b[n, w]} with everything on the heap. The columns of b are cut into
 * panels of one to four vectors; a panel is stored dense, row by row, so that the step from row to row is a constant.
 *
 * <p>Each element of c is one chain of fused multiply-adds in the order of n, whatever the panels are and whatever computes it: our
 * own code for AVX2, or the Vector API, where the JIT compiler keeps the sums in registers.
 */
final class MicroKernel {
  /** There are a multiple of so many rows. */
  static final int ROWS = 4;

  /**
   * With eight lanes there are sixteen registers in all. Twelve sums, three columns of b and a value of a would fill them, but the JIT
   * compiler then spills: eight sums are a third faster.
   */
  private static final int MAX_PANEL = Lanes.COUNT == 8 ? 2 : 4;

  /** With less to multiply, in vectors, the call costs more than it saves. */
  private static final int CALL_WORTH = 256;

  private MicroKernel() {}

  /** Widths in vectors of the panels that {@code vectors} columns are cut into. A panel of one vector is avoided. */
  static int[] panels(int vectors) {
    int[] widths = new int[vectors];
    int count = 0;
    int rest = vectors;
    while (rest > 0) {
      int width = rest == MAX_PANEL + 1 ? MAX_PANEL - 1 : Math.min(rest, MAX_PANEL);
      widths[count++] = width;
      rest -= width;
    }
    return Arrays.copyOf(widths, count);
  }

  /**
   * @param rows a multiple of {@link #ROWS}
   * @param width vectors in the panel
   * @param lda from one row of a to the next
   * @param ldc from one row of c to the next
   */
  static void multiplyAdd(
      int rows,
      int width,
      float[] a,
      int aAt,
      int lda,
      float[] b,
      int bAt,
      float[] c,
      int cAt,
      int ldc,
      int n) {
    if (OwnCode.PANELS != null && rows * width * n >= CALL_WORTH) {
      OwnCode.PANELS.multiplyAdd(rows, width, a, aAt, lda, b, bAt, c, cAt, ldc, n);
    } else {
      for (int row = 0; row < rows; row += ROWS) {
        byLanes(width, a, aAt + row * lda, lda, b, bAt, c, cAt + row * ldc, ldc, n);
      }
    }
  }

  /** {@link #ROWS} rows with the Vector API. */
  static void byLanes(
      int width,
      float[] a,
      int aAt,
      int lda,
      float[] b,
      int bAt,
      float[] c,
      int cAt,
      int ldc,
      int n) {
    switch (width) {
      case 1 -> width1(a, aAt, lda, b, bAt, c, cAt, ldc, n);
      case 2 -> width2(a, aAt, lda, b, bAt, c, cAt, ldc, n);
      case 3 -> width3(a, aAt, lda, b, bAt, c, cAt, ldc, n);
      case 4 -> width4(a, aAt, lda, b, bAt, c, cAt, ldc, n);
      default -> throw new IllegalArgumentException("Expected 1 to 4 vectors, but got " + width);
    }
  }

  private static FloatVector at(float[] values, int offset) {
    return FloatVector.fromArray(Lanes.FLOATS, values, offset);
  }

  private static FloatVector all(float value) {
    return FloatVector.broadcast(Lanes.FLOATS, value);
  }

  private static void width1(
      float[] a, int aAt, int lda, float[] b, int bAt, float[] c, int cAt, int ldc, int n) {
    FloatVector c00 = at(c, cAt);
    FloatVector c10 = at(c, cAt + ldc);
    FloatVector c20 = at(c, cAt + 2 * ldc);
    FloatVector c30 = at(c, cAt + 3 * ldc);
    for (int k = 0; k < n; k++) {
      FloatVector b0 = at(b, bAt + k * Lanes.COUNT);
      FloatVector a0 = all(a[aAt + k]);
      c00 = a0.fma(b0, c00);
      FloatVector a1 = all(a[aAt + lda + k]);
      c10 = a1.fma(b0, c10);
      FloatVector a2 = all(a[aAt + 2 * lda + k]);
      c20 = a2.fma(b0, c20);
      FloatVector a3 = all(a[aAt + 3 * lda + k]);
      c30 = a3.fma(b0, c30);
    }
    c00.intoArray(c, cAt);
    c10.intoArray(c, cAt + ldc);
    c20.intoArray(c, cAt + 2 * ldc);
    c30.intoArray(c, cAt + 3 * ldc);
  }

  private static void width2(
      float[] a, int aAt, int lda, float[] b, int bAt, float[] c, int cAt, int ldc, int n) {
    FloatVector c00 = at(c, cAt);
    FloatVector c01 = at(c, cAt + Lanes.COUNT);
    FloatVector c10 = at(c, cAt + ldc);
    FloatVector c11 = at(c, cAt + ldc + Lanes.COUNT);
    FloatVector c20 = at(c, cAt + 2 * ldc);
    FloatVector c21 = at(c, cAt + 2 * ldc + Lanes.COUNT);
    FloatVector c30 = at(c, cAt + 3 * ldc);
    FloatVector c31 = at(c, cAt + 3 * ldc + Lanes.COUNT);
    for (int k = 0; k < n; k++) {
      FloatVector b0 = at(b, bAt + k * (2 * Lanes.COUNT));
      FloatVector b1 = at(b, bAt + k * (2 * Lanes.COUNT) + Lanes.COUNT);
      FloatVector a0 = all(a[aAt + k]);
      c00 = a0.fma(b0, c00);
      c01 = a0.fma(b1, c01);
      FloatVector a1 = all(a[aAt + lda + k]);
      c10 = a1.fma(b0, c10);
      c11 = a1.fma(b1, c11);
      FloatVector a2 = all(a[aAt + 2 * lda + k]);
      c20 = a2.fma(b0, c20);
      c21 = a2.fma(b1, c21);
      FloatVector a3 = all(a[aAt + 3 * lda + k]);
      c30 = a3.fma(b0, c30);
      c31 = a3.fma(b1, c31);
    }
    c00.intoArray(c, cAt);
    c01.intoArray(c, cAt + Lanes.COUNT);
    c10.intoArray(c, cAt + ldc);
    c11.intoArray(c, cAt + ldc + Lanes.COUNT);
    c20.intoArray(c, cAt + 2 * ldc);
    c21.intoArray(c, cAt + 2 * ldc + Lanes.COUNT);
    c30.intoArray(c, cAt + 3 * ldc);
    c31.intoArray(c, cAt + 3 * ldc + Lanes.COUNT);
  }

  private static void width3(
      float[] a, int aAt, int lda, float[] b, int bAt, float[] c, int cAt, int ldc, int n) {
    FloatVector c00 = at(c, cAt);
    FloatVector c01 = at(c, cAt + Lanes.COUNT);
    FloatVector c02 = at(c, cAt + 2 * Lanes.COUNT);
    FloatVector c10 = at(c, cAt + ldc);
    FloatVector c11 = at(c, cAt + ldc + Lanes.COUNT);
    FloatVector c12 = at(c, cAt + ldc + 2 * Lanes.COUNT);
    FloatVector c20 = at(c, cAt + 2 * ldc);
    FloatVector c21 = at(c, cAt + 2 * ldc + Lanes.COUNT);
    FloatVector c22 = at(c, cAt + 2 * ldc + 2 * Lanes.COUNT);
    FloatVector c30 = at(c, cAt + 3 * ldc);
    FloatVector c31 = at(c, cAt + 3 * ldc + Lanes.COUNT);
    FloatVector c32 = at(c, cAt + 3 * ldc + 2 * Lanes.COUNT);
    for (int k = 0; k < n; k++) {
      FloatVector b0 = at(b, bAt + k * (3 * Lanes.COUNT));
      FloatVector b1 = at(b, bAt + k * (3 * Lanes.COUNT) + Lanes.COUNT);
      FloatVector b2 = at(b, bAt + k * (3 * Lanes.COUNT) + 2 * Lanes.COUNT);
      FloatVector a0 = all(a[aAt + k]);
      c00 = a0.fma(b0, c00);
      c01 = a0.fma(b1, c01);
      c02 = a0.fma(b2, c02);
      FloatVector a1 = all(a[aAt + lda + k]);
      c10 = a1.fma(b0, c10);
      c11 = a1.fma(b1, c11);
      c12 = a1.fma(b2, c12);
      FloatVector a2 = all(a[aAt + 2 * lda + k]);
      c20 = a2.fma(b0, c20);
      c21 = a2.fma(b1, c21);
      c22 = a2.fma(b2, c22);
      FloatVector a3 = all(a[aAt + 3 * lda + k]);
      c30 = a3.fma(b0, c30);
      c31 = a3.fma(b1, c31);
      c32 = a3.fma(b2, c32);
    }
    c00.intoArray(c, cAt);
    c01.intoArray(c, cAt + Lanes.COUNT);
    c02.intoArray(c, cAt + 2 * Lanes.COUNT);
    c10.intoArray(c, cAt + ldc);
    c11.intoArray(c, cAt + ldc + Lanes.COUNT);
    c12.intoArray(c, cAt + ldc + 2 * Lanes.COUNT);
    c20.intoArray(c, cAt + 2 * ldc);
    c21.intoArray(c, cAt + 2 * ldc + Lanes.COUNT);
    c22.intoArray(c, cAt + 2 * ldc + 2 * Lanes.COUNT);
    c30.intoArray(c, cAt + 3 * ldc);
    c31.intoArray(c, cAt + 3 * ldc + Lanes.COUNT);
    c32.intoArray(c, cAt + 3 * ldc + 2 * Lanes.COUNT);
  }

  private static void width4(
      float[] a, int aAt, int lda, float[] b, int bAt, float[] c, int cAt, int ldc, int n) {
    FloatVector c00 = at(c, cAt);
    FloatVector c01 = at(c, cAt + Lanes.COUNT);
    FloatVector c02 = at(c, cAt + 2 * Lanes.COUNT);
    FloatVector c03 = at(c, cAt + 3 * Lanes.COUNT);
    FloatVector c10 = at(c, cAt + ldc);
    FloatVector c11 = at(c, cAt + ldc + Lanes.COUNT);
    FloatVector c12 = at(c, cAt + ldc + 2 * Lanes.COUNT);
    FloatVector c13 = at(c, cAt + ldc + 3 * Lanes.COUNT);
    FloatVector c20 = at(c, cAt + 2 * ldc);
    FloatVector c21 = at(c, cAt + 2 * ldc + Lanes.COUNT);
    FloatVector c22 = at(c, cAt + 2 * ldc + 2 * Lanes.COUNT);
    FloatVector c23 = at(c, cAt + 2 * ldc + 3 * Lanes.COUNT);
    FloatVector c30 = at(c, cAt + 3 * ldc);
    FloatVector c31 = at(c, cAt + 3 * ldc + Lanes.COUNT);
    FloatVector c32 = at(c, cAt + 3 * ldc + 2 * Lanes.COUNT);
    FloatVector c33 = at(c, cAt + 3 * ldc + 3 * Lanes.COUNT);
    for (int k = 0; k < n; k++) {
      FloatVector b0 = at(b, bAt + k * (4 * Lanes.COUNT));
      FloatVector b1 = at(b, bAt + k * (4 * Lanes.COUNT) + Lanes.COUNT);
      FloatVector b2 = at(b, bAt + k * (4 * Lanes.COUNT) + 2 * Lanes.COUNT);
      FloatVector b3 = at(b, bAt + k * (4 * Lanes.COUNT) + 3 * Lanes.COUNT);
      FloatVector a0 = all(a[aAt + k]);
      c00 = a0.fma(b0, c00);
      c01 = a0.fma(b1, c01);
      c02 = a0.fma(b2, c02);
      c03 = a0.fma(b3, c03);
      FloatVector a1 = all(a[aAt + lda + k]);
      c10 = a1.fma(b0, c10);
      c11 = a1.fma(b1, c11);
      c12 = a1.fma(b2, c12);
      c13 = a1.fma(b3, c13);
      FloatVector a2 = all(a[aAt + 2 * lda + k]);
      c20 = a2.fma(b0, c20);
      c21 = a2.fma(b1, c21);
      c22 = a2.fma(b2, c22);
      c23 = a2.fma(b3, c23);
      FloatVector a3 = all(a[aAt + 3 * lda + k]);
      c30 = a3.fma(b0, c30);
      c31 = a3.fma(b1, c31);
      c32 = a3.fma(b2, c32);
      c33 = a3.fma(b3, c33);
    }
    c00.intoArray(c, cAt);
    c01.intoArray(c, cAt + Lanes.COUNT);
    c02.intoArray(c, cAt + 2 * Lanes.COUNT);
    c03.intoArray(c, cAt + 3 * Lanes.COUNT);
    c10.intoArray(c, cAt + ldc);
    c11.intoArray(c, cAt + ldc + Lanes.COUNT);
    c12.intoArray(c, cAt + ldc + 2 * Lanes.COUNT);
    c13.intoArray(c, cAt + ldc + 3 * Lanes.COUNT);
    c20.intoArray(c, cAt + 2 * ldc);
    c21.intoArray(c, cAt + 2 * ldc + Lanes.COUNT);
    c22.intoArray(c, cAt + 2 * ldc + 2 * Lanes.COUNT);
    c23.intoArray(c, cAt + 2 * ldc + 3 * Lanes.COUNT);
    c30.intoArray(c, cAt + 3 * ldc);
    c31.intoArray(c, cAt + 3 * ldc + Lanes.COUNT);
    c32.intoArray(c, cAt + 3 * ldc + 2 * Lanes.COUNT);
    c33.intoArray(c, cAt + 3 * ldc + 3 * Lanes.COUNT);
  }
}
