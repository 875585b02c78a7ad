package dev.longtake.worker.device.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.x86.InstructionSets;
import dev.longtake.worker.device.cpu.x86.PanelKernels;
import java.util.Random;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

class MicroKernelTest {
  private final Random random = new Random(20261128);

  @Test
  void shouldGiveEqualBitsWhenOurOwnCodeOrTheVectorApiMultiplies() {
    Assumptions.assumeTrue(
        InstructionSets.hasAvx2() && Lanes.COUNT == PanelKernels.LANES, "needs AVX2");
    PanelKernels own = PanelKernels.get().orElseThrow();
    for (int rows = MicroKernel.ROWS; rows <= 28; rows += MicroKernel.ROWS) {
      for (int width = 1; width <= PanelKernels.VECTORS; width++) {
        for (int n = 1; n <= 19; n++) {
          int columns = width * Lanes.COUNT;
          int lda = n + random.nextInt(5);
          int ldc = columns + random.nextInt(5);
          float[] a = values(3 + rows * lda);
          float[] b = values(5 + n * columns);
          float[] c = values(7 + rows * ldc + 9);
          float[] expected = c.clone();
          for (int row = 0; row < rows; row += MicroKernel.ROWS) {
            MicroKernel.byLanes(
                width, a, 3 + row * lda, lda, b, 5, expected, 7 + row * ldc, ldc, n);
          }
          own.multiplyAdd(rows, width, a, 3, lda, b, 5, c, 7, ldc, n);
          // All of it: what lies between and around the rows must not change.
          assertThat(c).as("%d rows, %d columns, %d steps", rows, columns, n).isEqualTo(expected);
        }
      }
    }
  }

  private float[] values(int count) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }
}
