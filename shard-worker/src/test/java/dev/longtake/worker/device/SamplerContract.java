package dev.longtake.worker.device;

import static dev.longtake.worker.device.Lab.assertClose;
import static dev.longtake.worker.device.Lab.assertSameBits;
import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.tensor.DType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What samplers do with latents. */
abstract class SamplerContract extends ReductionContract {
  /** One for all rows or one per row; many are 0 or 1. */
  private float[] coefficients(int rows) {
    float[] coefficients = new float[lab.between(0, 1) == 0 ? 1 : rows];
    for (int i = 0; i < coefficients.length; i++) {
      coefficients[i] =
          switch (lab.between(0, 4)) {
            case 0 -> 0;
            case 1 -> 1;
            case 2 -> -0f;
            default -> lab.values(1)[0];
          };
    }
    return coefficients;
  }

  @Test
  void shouldSumTermsInTheirOrderWhenCombined() {
    for (int round = 0; round < 60; round++) {
      int rows = lab.between(0, 40);
      int columns = lab.between(1, 70);
      List<Term> terms = new ArrayList<>();
      List<float[]> values = new ArrayList<>();
      for (int t = lab.between(1, 5); t > 0; t--) {
        Matrix matrix = lab.normal(rows, columns, DType.F32);
        terms.add(new Term(matrix, coefficients(rows)));
        values.add(lab.read(matrix));
      }
      Matrix out =
          round % 3 == 0
              ? lab.normal(rows, columns, DType.F32)
              : terms.get(lab.between(0, terms.size() - 1)).values();

      device.combine(out, terms);

      float[] expected = Reference.combine(terms, values, rows, columns);
      assertSameBits(lab.read(out), expected, "sum of %d terms".formatted(terms.size()));
    }
  }

  @Test
  void shouldKeepOtherRowsFreeOfInfinitiesWhenACoefficientIsZero() {
    float[] bad = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY, Float.NaN, 0, -0f};
    float[] good = {1, -0f, 3e38f, Float.MIN_VALUE, Float.intBitsToFloat(0x7fc12345), -7.25f};
    Matrix broken = lab.of(bad, 3, 2, DType.F32);
    Matrix kept = lab.of(good, 3, 2, DType.F32);
    Matrix out = lab.normal(3, 2, DType.F32);
    // Row 0 is a copy, row 1 a copy in spite of two terms, row 2 has no term at all.
    device.combine(
        out,
        List.of(
            new Term(broken, new float[] {0, -0f, 0}),
            new Term(kept, new float[] {1, 1, 0}),
            new Term(broken, new float[] {0})));
    float[] expected = good.clone();
    Arrays.fill(expected, 4, 6, 0);
    assertThat(Lab.bits(lab.read(out))).isEqualTo(Lab.bits(expected));

    // A coefficient that isn't zero lets them through.
    device.combine(
        out, List.of(new Term(kept, new float[] {1}), new Term(broken, new float[] {1e-30f})));
    assertThat(lab.read(out)[0]).isNaN();
    assertThat(lab.read(out)[1]).isInfinite();
  }

  @Test
  void shouldAddNoiseOfTheLearnedVarianceWhenTheNetworkGivesIt() {
    for (int round = 0; round < 40; round++) {
      int rows = lab.between(0, 30);
      int columns = lab.between(1, 70);
      float maxLog = -(float) lab.between(0, 900) / 100;
      float minLog = maxLog - lab.between(0, 1200) / 100f;
      Matrix target = lab.normal(rows, columns, DType.F32);
      Matrix variance = lab.normal(rows, columns, DType.F32);
      Matrix noise = lab.normal(rows, columns, DType.F32);
      double[] expected = Reference.toDoubles(lab.read(target));
      float[] v = lab.read(variance);
      float[] n = lab.read(noise);

      device.addLearnedNoise(target, variance, noise, minLog, maxLog);

      for (int i = 0; i < expected.length; i++) {
        expected[i] += Reference.learnedDeviation(v[i], minLog, maxLog) * n[i];
      }
      assertClose(lab.read(target), expected, 3e-6);
    }
  }

  @Test
  void shouldReachBothVariancesWhenTheNetworkGivesItsExtremes() {
    // The deviations are 1/2 and 3: logarithms of their squares. Zero is the geometric mean,
    // sqrt(1.5).
    float minLog = (float) Math.log(0.25);
    float maxLog = (float) Math.log(9);
    // Far outside, the exponential over- and underflows; without noise nothing is added even there.
    float[] variance = {-1, 1, 0, -3, 3, -500, 500};
    float[] ones = {1, 1, 1, 1, 1, 1, 1};
    Matrix target = lab.zeros(1, 7, DType.F32);
    device.addLearnedNoise(
        target, lab.of(variance, 1, 7, DType.F32), lab.of(ones, 1, 7, DType.F32), minLog, maxLog);
    float[] actual = lab.read(target);
    assertClose(Arrays.copyOf(actual, 5), new double[] {0.5, 3, Math.sqrt(1.5), 0.5 / 6, 18}, 1e-6);
    assertThat(actual[5]).isZero();
    assertThat(actual[6]).isInfinite();

    Matrix moderate = lab.of(new float[] {-1, 1, 0.3f}, 1, 3, DType.F32);
    Matrix kept = lab.normal(1, 3, DType.F32);
    float[] before = lab.read(kept);
    device.addLearnedNoise(kept, moderate, lab.zeros(1, 3, DType.F32), minLog, maxLog);
    assertSameBits(lab.read(kept), before, "no noise");
  }

  @Test
  void shouldGiveEqualBitsWhenARowIsSampledInAnyCompany() {
    int rows = 60;
    int columns = 53;
    Matrix a = lab.normal(rows, columns, DType.F32);
    Matrix b = lab.normal(rows, columns, DType.F32);
    Matrix table = lab.normal(1, columns, DType.F32);
    Matrix whole = lab.zeros(rows, columns, DType.F32);
    float[] weights = lab.values(rows);
    sample(whole, a, b, table, weights);
    float[] expected = lab.read(whole);
    for (int count : new int[] {1, 2, 17, 59}) {
      int from = lab.between(0, rows - count);
      int to = from + count;
      Matrix part = lab.zeros(count, columns, DType.F32);
      float[] own = Arrays.copyOfRange(weights, from, to);
      sample(part, a.rows(from, to), b.rows(from, to), table, own);
      assertSameBits(
          lab.read(part), Lab.rows(expected, columns, from, to), count + " rows from " + from);
    }
  }

  private void sample(Matrix out, Matrix a, Matrix b, Matrix table, float[] weights) {
    device.combine(out, List.of(new Term(a, weights), new Term(b, new float[] {0.7f})));
    device.addLearnedNoise(out, a, b, -4, -2);
    device.addRows(out, table, 5);
  }
}
