package dev.longtake.worker.device.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.x86.InstructionSets;
import dev.longtake.worker.device.cpu.x86.PanelKernels;
import dev.longtake.worker.device.cpu.x86.RowKernels;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Random;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Machine code against the Vector API, bit by bit, for rows of any length with something behind each. */
final class RowKernelsTest {
  private static final int CASES = 300;
  private static final float EPSILON = 1e-6f;

  private static final float[] EDGES = {
    0f,
    -0f,
    Float.NaN,
    Float.POSITIVE_INFINITY,
    Float.NEGATIVE_INFINITY,
    Float.MAX_VALUE,
    Float.MIN_VALUE,
    -Float.MIN_NORMAL,
  };

  private RowKernels kernels;

  @BeforeEach
  void needsTheInstructions() {
    Assumptions.assumeTrue(
        InstructionSets.hasAvx2() && Lanes.COUNT == PanelKernels.LANES, "needs AVX2");
    kernels = RowKernels.get().orElseThrow();
  }

  /** Rows with a gap behind each. */
  private static View rows(Arena arena, Random random, int rows, int columns) {
    int stride = columns + random.nextInt(3) * 5;
    long floats = (long) rows * stride + Lanes.COUNT;
    MemorySegment segment = arena.allocate(floats * 4);
    // A large mean, a small one, and now and then what is no usual number.
    float mean = (float) Math.pow(10, random.nextInt(-2, 5));
    for (long i = 0; i < floats; i++) {
      segment.setAtIndex(Lanes.FLOAT, i, mean + (float) random.nextGaussian());
    }
    if (random.nextInt(4) == 0) {
      long at = random.nextLong(floats);
      segment.setAtIndex(Lanes.FLOAT, at, EDGES[random.nextInt(EDGES.length)]);
    }
    return new View(segment, 0, stride * 4L, rows, columns, /* bfloat= */ false);
  }

  private static View copy(Arena arena, View view) {
    MemorySegment copy = arena.allocate(view.segment().byteSize()).copyFrom(view.segment());
    return new View(copy, 0, view.strideBytes(), view.rows(), view.columns(), view.bfloat());
  }

  /** All bits, gaps included; a NaN is like any other. */
  private static void assertSame(View actual, View expected, String name) {
    for (long i = 0; i < expected.segment().byteSize() / 4; i++) {
      assertThat(Float.floatToIntBits(actual.segment().getAtIndex(Lanes.FLOAT, i)))
          .as("%s, %d of rows of %d", name, i, expected.strideBytes() / 4)
          .isEqualTo(Float.floatToIntBits(expected.segment().getAtIndex(Lanes.FLOAT, i)));
    }
  }

  @Test
  void shouldHaveTheSameBitsAsTheVectorApiWhenProductsAreAdded() {
    for (int seed = 0; seed < CASES; seed++) {
      Random random = new Random(seed);
      int vectors = 1 + random.nextInt(20);
      try (Arena arena = Arena.ofConfined()) {
        int count = 1 + random.nextInt(9);
        View product = rows(arena, random, count, vectors * Lanes.COUNT);
        View residual = rows(arena, random, count, vectors * Lanes.COUNT);
        View gate = rows(arena, random, 1, vectors * Lanes.COUNT);
        boolean gated = random.nextBoolean();
        View expected = copy(arena, residual);
        for (int row = 0; row < count; row++) {
          MemorySegment gates = gated ? gate.segment() : MemorySegment.NULL;
          Elementwise.addProduct(product, product.row(row), expected, expected.row(row), gates, 0);
        }

        if (gated) {
          kernels.addProducts(
              product.address(),
              product.strideBytes(),
              residual.address(),
              residual.strideBytes(),
              gate.address(),
              vectors,
              count);
        } else {
          kernels.addProducts(
              product.address(),
              product.strideBytes(),
              residual.address(),
              residual.strideBytes(),
              vectors,
              count);
        }

        assertSame(residual, expected, "seed " + seed);
      }
    }
  }

  @Test
  void shouldHaveTheSameBitsAsTheVectorApiWhenHeadsAreNormed() {
    for (int seed = 0; seed < CASES; seed++) {
      Random random = new Random(seed);
      int vectors = 1 + random.nextInt(10);
      int heads = 1 + random.nextInt(5);
      int dimension = vectors * Lanes.COUNT;
      try (Arena arena = Arena.ofConfined()) {
        View values = rows(arena, random, 1 + random.nextInt(9), heads * dimension);
        View weight = rows(arena, random, 1, dimension);
        View expected = copy(arena, values);
        for (int row = 0; row < values.rows(); row++) {
          for (int head = 0; head < heads; head++) {
            Normalisation.normHead(
                expected, expected.row(row) + 4L * head * dimension, dimension, weight, EPSILON);
          }
        }

        kernels.normHeads(
            values.address(),
            values.strideBytes(),
            vectors,
            heads,
            values.rows(),
            weight.address(),
            EPSILON);

        assertSame(values, expected, "seed " + seed);
      }
    }
  }

  @Test
  void shouldHaveTheSameBitsAsTheVectorApiWhenHeadsAreRotated() {
    for (int seed = 0; seed < CASES; seed++) {
      Random random = new Random(seed);
      int vectors = 1 + random.nextInt(10);
      int heads = 1 + random.nextInt(5);
      int dimension = vectors * Lanes.COUNT;
      Normalisation.Scratch angles = new Normalisation.Scratch();
      for (int i = 0; i < dimension; i++) {
        angles.cosines[i] = random.nextFloat();
        angles.sines[i] = random.nextFloat();
      }
      try (Arena arena = Arena.ofConfined()) {
        View values = rows(arena, random, 1, heads * dimension);
        View expected = copy(arena, values);
        for (int head = 0; head < heads; head++) {
          Normalisation.rotateHead(expected, 4L * head * dimension, dimension, angles);
        }

        kernels.rotateHeads(values.address(), heads, vectors, angles.cosines, angles.sines);

        assertSame(values, expected, "seed " + seed);
      }
    }
  }

  @Test
  void shouldHaveTheSameBitsAsTheVectorApiWhenRowsAreNormed() {
    for (int seed = 0; seed < CASES; seed++) {
      Random random = new Random(seed);
      int vectors = 1 + random.nextInt(20);
      int count = 1 + random.nextInt(9);
      float base = random.nextInt(2);
      try (Arena arena = Arena.ofConfined()) {
        View in = rows(arena, random, count, vectors * Lanes.COUNT);
        View out = random.nextBoolean() ? in : rows(arena, random, count, vectors * Lanes.COUNT);
        View shift = rows(arena, random, 1, vectors * Lanes.COUNT);
        View scale = rows(arena, random, 1, vectors * Lanes.COUNT);
        View expected = copy(arena, out);
        for (int row = 0; row < count; row++) {
          Normalisation.normRow(in, expected, row, shift, scale, 0, base, EPSILON);
        }

        kernels.normRows(
            in.address(),
            in.strideBytes(),
            out.address(),
            out.strideBytes(),
            shift.address(),
            scale.address(),
            vectors,
            count,
            base,
            EPSILON);

        assertSame(out, expected, "seed " + seed);
      }
    }
  }
}
