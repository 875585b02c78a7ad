package dev.longtake.worker.device.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.x86.InstructionSets;
import dev.longtake.worker.device.cpu.x86.AttentionKernels;
import dev.longtake.worker.device.cpu.x86.PanelKernels;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Random;
import jdk.incubator.vector.FloatVector;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Machine code against the Vector API, bit by bit. */
final class AttentionKernelsTest {
  private static final int CASES = 300;

  private AttentionKernels kernels;

  @BeforeEach
  void needsTheInstructions() {
    Assumptions.assumeTrue(
        InstructionSets.hasAvx2() && Lanes.COUNT == PanelKernels.LANES, "needs AVX2");
    kernels = AttentionKernels.get().orElseThrow();
  }

  /** Scores far and near, now and then none at all, of queries that have seen keys before or have not. */
  private static Attention.Scratch scratch(Random random, int rows, int padded) {
    Attention.Scratch scratch = new Attention.Scratch();
    double width = Math.pow(10, random.nextInt(-1, 4));
    for (int i = 0; i < (rows + 1) * Attention.KEYS; i++) {
      scratch.scores[i] = (float) (random.nextGaussian() * width);
    }
    if (random.nextInt(3) == 0) {
      scratch.scores[random.nextInt(Attention.KEYS)] = Float.NaN;
      scratch.scores[random.nextInt(Attention.KEYS)] = -Float.MAX_VALUE;
    }
    boolean seen = random.nextBoolean();
    for (int q = 0; q <= rows; q++) {
      scratch.maxima[q] = seen ? (float) (random.nextGaussian() * width) : -Float.MAX_VALUE;
    }
    for (int i = 0; seen && i < (rows + 1) * padded; i++) {
      scratch.sums[i] = (float) random.nextGaussian();
    }
    for (int i = 0; seen && i < (rows + 1) * Lanes.COUNT; i++) {
      scratch.totals[i] = random.nextFloat();
    }
    return scratch;
  }

  private static Attention.Scratch copy(Attention.Scratch of) {
    Attention.Scratch copy = new Attention.Scratch();
    System.arraycopy(of.scores, 0, copy.scores, 0, of.scores.length);
    System.arraycopy(of.maxima, 0, copy.maxima, 0, of.maxima.length);
    System.arraycopy(of.totals, 0, copy.totals, 0, of.totals.length);
    System.arraycopy(of.sums, 0, copy.sums, 0, of.sums.length);
    return copy;
  }

  /** What stands behind the rows included; a NaN is like any other, and the two zeros too, since no result tells them apart. */
  private static void assertSame(float[] actual, float[] expected, int count, String name) {
    for (int i = 0; i < count; i++) {
      assertThat(Float.floatToIntBits(actual[i] + 0f))
          .as("%s %d", name, i)
          .isEqualTo(Float.floatToIntBits(expected[i] + 0f));
    }
  }

  @Test
  void shouldHaveTheSameBitsAsTheVectorApiWhenScoresBecomeProbabilities() {
    for (int seed = 0; seed < CASES; seed++) {
      Random random = new Random(seed);
      int rows = 1 + random.nextInt(20);
      int vectors = 1 + random.nextInt(Attention.KEYS / Lanes.COUNT);
      int padded = (1 + random.nextInt(10)) * Lanes.COUNT;
      Attention.Scratch actual = scratch(random, rows, padded);
      Attention.Scratch expected = copy(actual);
      for (int q = 0; q < rows; q++) {
        Attention.softmax(expected, q * Attention.KEYS, q, vectors * Lanes.COUNT, padded);
      }

      kernels.softmax(
          actual.scores,
          Attention.KEYS,
          vectors,
          actual.maxima,
          actual.totals,
          actual.sums,
          padded / Lanes.COUNT,
          rows);

      String name = " of seed " + seed;
      assertSame(actual.maxima, expected.maxima, rows + 1, "maximum" + name);
      assertSame(actual.scores, expected.scores, (rows + 1) * Attention.KEYS, "score" + name);
      assertSame(actual.totals, expected.totals, (rows + 1) * Lanes.COUNT, "total" + name);
      assertSame(actual.sums, expected.sums, (rows + 1) * padded, "sum" + name);
    }
  }

  @Test
  void shouldDivideByAllLanesOfATotalInTheirOrder() {
    for (int seed = 0; seed < CASES; seed++) {
      Random random = new Random(seed);
      int rows = 1 + random.nextInt(20);
      int columns = (1 + random.nextInt(10)) * Lanes.COUNT;
      int stride = columns + random.nextInt(3) * 5;
      Attention.Scratch scratch = scratch(random, rows, columns);
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment out = arena.allocate((long) (rows + 1) * stride * 4);

        kernels.quotients(
            scratch.sums, scratch.totals, out.address(), stride * 4L, columns / Lanes.COUNT, rows);

        for (int i = 0; i < (rows + 1) * stride; i++) {
          int q = i / stride;
          float expected = 0;
          if (q < rows && i % stride < columns) {
            FloatVector total =
                FloatVector.fromArray(Lanes.FLOATS, scratch.totals, q * Lanes.COUNT);
            expected = scratch.sums[q * columns + i % stride] / Lanes.sum(total);
          }
          assertThat(Float.floatToIntBits(out.getAtIndex(Lanes.FLOAT, i)))
              .as("seed %d, %d", seed, i)
              .isEqualTo(Float.floatToIntBits(expected));
        }
      }
    }
  }

  @Test
  void shouldScaleRows() {
    Random random = new Random(2);
    for (int vectors = 1; vectors <= 10; vectors++) {
      int rows = 1 + random.nextInt(9);
      int stride = vectors * Lanes.COUNT + random.nextInt(3);
      int columns = vectors * Lanes.COUNT + random.nextInt(3);
      float[] out = new float[3 + rows * columns + Lanes.COUNT];
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment in = arena.allocate((long) rows * stride * 4);
        for (int i = 0; i < rows * stride; i++) {
          in.setAtIndex(Lanes.FLOAT, i, 1 + random.nextFloat());
        }

        kernels.scaledRows(in.address(), stride * 4L, out, 3, columns, vectors, rows, 0.3f);

        for (int i = 0; i < out.length; i++) {
          int row = (i - 3) / columns;
          int column = (i - 3) % columns;
          boolean inside = i >= 3 && row < rows && column < vectors * Lanes.COUNT;
          float expected =
              inside ? 0.3f * in.getAtIndex(Lanes.FLOAT, (long) row * stride + column) : 0;
          assertThat(out[i]).as("%d of %d vectors", i, vectors).isEqualTo(expected);
        }
      }
    }
  }

  @Test
  void shouldMakeRowsColumns() {
    Random random = new Random(1);
    for (int vectors = 1; vectors <= 10; vectors++) {
      int length = vectors * Lanes.COUNT;
      float[] rows = new float[3 + Lanes.COUNT * length];
      for (int i = 0; i < rows.length; i++) {
        rows[i] = random.nextFloat();
      }
      int columns = 16;
      float[] target = new float[length * columns + 5];
      Arrays.fill(target, -1);

      kernels.transpose(rows, 3, vectors, target, 5, columns);

      for (int i = 0; i < target.length; i++) {
        int d = (i - 5) / columns;
        int k = (i - 5) % columns;
        float expected = i >= 5 && k < Lanes.COUNT ? rows[3 + k * length + d] : -1;
        assertThat(target[i]).as("%d of %d vectors", i, vectors).isEqualTo(expected);
      }
    }
  }
}
