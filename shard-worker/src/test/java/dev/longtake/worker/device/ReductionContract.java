package dev.longtake.worker.device;

import static dev.longtake.worker.device.Lab.assertClose;
import static dev.longtake.worker.device.Lab.assertSameBits;
import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.tensor.DType;
import org.junit.jupiter.api.Test;

/** Key/value compression. */
abstract class ReductionContract extends PatchContract {
  private TokenReduction reduction(int gridRows, int gridColumns, int factor, int channels) {
    return new TokenReduction(
        gridRows,
        gridColumns,
        factor,
        lab.normal(channels, factor * factor, DType.F32),
        lab.normal(1, channels, DType.F32),
        lab.normal(1, channels, DType.F32),
        lab.normal(1, channels, DType.F32),
        1e-5f);
  }

  @Test
  void shouldReduceTokensWhenCellsFitOrNot() {
    for (int round = 0; round < 60; round++) {
      int factor = lab.between(1, 4);
      int channels = lab.between(1, 90);
      int frames = lab.between(0, 3);
      TokenReduction r = reduction(lab.between(1, 9), lab.between(1, 9), factor, channels);
      Matrix in = lab.normal(frames * r.inputTokens(), channels, DType.F32);
      Matrix out = lab.normal(frames * r.outputTokens(), channels, DType.F32);

      device.reduceTokens(in, out, r);

      double[] expected =
          Reference.reduceTokens(
              lab.read(in),
              frames,
              channels,
              r,
              lab.read(r.kernel()),
              lab.read(r.bias()),
              lab.read(r.normWeight()),
              lab.read(r.normBias()));
      assertClose(lab.read(out), expected, 1e-5);
    }
  }

  @Test
  void shouldPickTheTokenWhenTheKernelHasASingleOne() {
    // Tokens 0 to 19 on a 4 x 5 grid; the kernel takes the lower left token of each cell of 2 x 2.
    float[] tokens = new float[20 * 2];
    for (int t = 0; t < 20; t++) {
      tokens[2 * t] = t;
      tokens[2 * t + 1] = -t;
    }
    TokenReduction pick =
        new TokenReduction(
            4,
            5,
            2,
            lab.of(new float[] {0, 0, 1, 0, 0, 0, 1, 0}, 2, 4, DType.F32),
            lab.zeros(1, 2, DType.F32),
            lab.of(new float[] {1, 10}, 1, 2, DType.F32),
            lab.of(new float[] {0.5f, 0}, 1, 2, DType.F32),
            1);
    Matrix out = lab.zeros(4, 2, DType.F32);
    device.reduceTokens(lab.of(tokens, 20, 2, DType.F32), out, pick);
    double[] expected = new double[8];
    int[] picked = {5, 7, 15, 17};
    for (int i = 0; i < 4; i++) {
      // Mean 0 and variance t^2.
      double normal = picked[i] / Math.sqrt(picked[i] * picked[i] + 1);
      expected[2 * i] = normal + 0.5;
      expected[2 * i + 1] = -10 * normal;
    }
    assertClose(lab.read(out), expected, 1e-6);
    assertThat(pick.outputTokens()).isEqualTo(4);
  }

  @Test
  void shouldGiveEqualBitsWhenFramesAreReducedAlone() {
    int frames = 7;
    TokenReduction r = reduction(6, 7, 3, 41);
    Matrix in = lab.normal(frames * r.inputTokens(), 41, DType.F32);
    Matrix out = lab.zeros(frames * r.outputTokens(), 41, DType.F32);
    device.reduceTokens(in, out, r);
    float[] expected = lab.read(out);
    for (int f = 0; f < frames; f++) {
      Matrix alone = lab.zeros(r.outputTokens(), 41, DType.F32);
      device.reduceTokens(in.rows(f * r.inputTokens(), (f + 1) * r.inputTokens()), alone, r);
      assertSameBits(
          lab.read(alone),
          Lab.rows(expected, 41, f * r.outputTokens(), (f + 1) * r.outputTokens()),
          "frame " + f);
    }
  }
}
