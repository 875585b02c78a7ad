package dev.longtake.worker.device.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.x86.InstructionSets;
import dev.longtake.worker.device.cpu.x86.ActivationKernels;
import dev.longtake.worker.device.cpu.x86.PanelKernels;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Random;
import jdk.incubator.vector.FloatVector;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

/** Machine code against the Vector API, bit by bit. */
final class ActivationKernelsTest {
  private static final long SEED = 20261128L;
  private static final int VECTORS = 20_000;

  private static final float[] EDGES = {
    0f,
    -0f,
    Float.NaN,
    Float.POSITIVE_INFINITY,
    Float.NEGATIVE_INFINITY,
    Float.MAX_VALUE,
    -Float.MAX_VALUE,
    Float.MIN_VALUE,
    -Float.MIN_NORMAL,
  };

  @Test
  void shouldHaveTheSameBitsAsTheVectorApiWhenItIsGelu() {
    Assumptions.assumeTrue(
        InstructionSets.hasAvx2() && Lanes.COUNT == PanelKernels.LANES, "needs AVX2");
    ActivationKernels kernels = ActivationKernels.get().orElseThrow();
    Random random = new Random(SEED);
    int count = VECTORS * Lanes.COUNT;
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment in = arena.allocate(count * 4L);
      MemorySegment out = arena.allocate((count + Lanes.COUNT) * 4L);
      for (int i = 0; i < count; i++) {
        // Mostly where the function bends, and up to where the exponential underflows.
        float value =
            i < EDGES.length
                ? EDGES[i]
                : (float) (random.nextGaussian() * Math.pow(10, random.nextInt(-3, 3)));
        in.setAtIndex(Lanes.FLOAT, i, value);
      }
      kernels.geluTanh(in.address(), out.address(), VECTORS);
      for (int i = 0; i < count; i += Lanes.COUNT) {
        FloatVector expected = VectorMath.geluTanh(Lanes.load(in, i * 4L));
        for (int lane = 0; lane < Lanes.COUNT; lane++) {
          assertThat(Float.floatToIntBits(out.getAtIndex(Lanes.FLOAT, i + lane)))
              .as("of %s", in.getAtIndex(Lanes.FLOAT, i + lane))
              .isEqualTo(Float.floatToIntBits(expected.lane(lane)));
        }
      }
      for (int lane = 0; lane < Lanes.COUNT; lane++) {
        assertThat(out.getAtIndex(Lanes.FLOAT, count + lane)).as("behind the last").isZero();
      }
    }
  }
}
