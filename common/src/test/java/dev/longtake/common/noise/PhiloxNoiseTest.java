package dev.longtake.common.noise;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

final class PhiloxNoiseTest {
  private static final long SEED = 42;
  private static final long STREAM = 7;

  /** From the file kat_vectors of Random123 1.14. */
  @Test
  void shouldMatchKnownAnswersWhenCountersAndKeysArePublishedOnes() {
    assertThat(philox(0, 0, 0, 0, 0, 0))
        .containsExactly(0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8);
    assertThat(philox(-1, -1, -1, -1, -1, -1))
        .containsExactly(0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd);
    assertThat(philox(0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0))
        .containsExactly(0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1);
  }

  @Test
  void shouldFollowTheDocumentedFormulaWhenComparedWithStrictMath() {
    long seed = 0x0123456789ABCDEFL;
    long stream = 0xFEDCBA9876543210L;
    for (long index = (1L << 34) - 8; index < (1L << 34) + 8; index++) {
      long block = index / 4;
      int[] words =
          philox(
              (int) block,
              (int) (block >>> 32),
              (int) stream,
              (int) (stream >>> 32),
              (int) seed,
              (int) (seed >>> 32));
      int pair = (int) (index % 4) / 2 * 2;
      double radius = StrictMath.sqrt(-2 * StrictMath.log(uniform(words[pair])));
      double angle = 2 * Math.PI * uniform(words[pair + 1]);
      double expected = radius * (index % 2 == 0 ? StrictMath.cos(angle) : StrictMath.sin(angle));
      assertThat((double) PhiloxNoise.at(seed, stream, index)).isCloseTo(expected, within(1e-6));
    }
  }

  /** Pins the bits: what was generated once must be generated for ever. */
  @Test
  void shouldKeepItsBitsWhenVersionsChange() {
    float[] values = fill(10_000, SEED, STREAM, 0);
    int hash = 1;
    for (float value : values) {
      hash = 31 * hash + Float.floatToRawIntBits(value);
    }
    assertThat(hash).isEqualTo(1110366631);
  }

  @Test
  void shouldGiveEqualBitsWhenARangeIsSplitAnywhere() {
    int count = 41;
    float[] whole = fill(count, SEED, STREAM, 1001);
    for (int split = 0; split <= count; split++) {
      assertThat(fill(split, SEED, STREAM, 1001)).isEqualTo(part(whole, 0, split));
      assertThat(fill(count - split, SEED, STREAM, 1001 + split))
          .isEqualTo(part(whole, split, count));
    }
    for (int i = 0; i < count; i++) {
      assertThat(PhiloxNoise.at(SEED, STREAM, 1001 + i)).isEqualTo(whole[i]);
    }
  }

  @Test
  void shouldDifferWhenSeedOrStreamDiffersInAnyHalf() {
    float[] first = fill(8, SEED, STREAM, 0);
    assertThat(fill(8, SEED + 1, STREAM, 0)).isNotEqualTo(first);
    assertThat(fill(8, SEED + (1L << 32), STREAM, 0)).isNotEqualTo(first);
    assertThat(fill(8, SEED, STREAM + 1, 0)).isNotEqualTo(first);
    assertThat(fill(8, SEED, STREAM + (1L << 32), 0)).isNotEqualTo(first);
    assertThat(fill(8, SEED, STREAM, 1L << 34)).isNotEqualTo(first);
  }

  @Test
  void shouldBeStandardNormalWhenManyAreDrawn() {
    int count = 1_000_000;
    float[] values = fill(count, SEED, STREAM, 0);
    double[] moments = new double[5];
    int beyond1 = 0;
    int beyond3 = 0;
    int beyond4 = 0;
    double neighbours = 0;
    for (int i = 0; i < count; i++) {
      double value = values[i];
      for (int power = 1; power <= 4; power++) {
        moments[power] += Math.pow(value, power) / count;
      }
      beyond1 += Math.abs(value) > 1 ? 1 : 0;
      beyond3 += Math.abs(value) > 3 ? 1 : 0;
      beyond4 += Math.abs(value) > 4 ? 1 : 0;
      neighbours += i == 0 ? 0 : value * values[i - 1] / count;
    }
    // Five standard errors of each estimate.
    assertThat(moments[1]).isCloseTo(0, within(5e-3));
    assertThat(moments[2]).isCloseTo(1, within(7.1e-3));
    assertThat(moments[3]).isCloseTo(0, within(1.94e-2));
    assertThat(moments[4]).isCloseTo(3, within(4.9e-2));
    assertThat(neighbours).isCloseTo(0, within(5e-3));
    assertThat(beyond1).isCloseTo(317_311, within(2_330));
    assertThat(beyond3).isCloseTo(2_700, within(260));
    assertThat(beyond4).isCloseTo(63, within(40));
  }

  @Test
  void shouldBeAccurateToThreeUlpWhenLogarithmsAreComparedWithStrictMath() {
    SplittableRandom random = new SplittableRandom(1);
    for (int i = 0; i < 200_000; i++) {
      double u = (random.nextLong(1L << 32) + 0.5) * 0x1p-32;
      assertUlps(PhiloxNoise.log(u), StrictMath.log(u), 3);
    }
    assertUlps(PhiloxNoise.log(0x1p-33), StrictMath.log(0x1p-33), 3);
    assertUlps(PhiloxNoise.log(1 - 0x1p-33), StrictMath.log1p(-0x1p-33), 3);
  }

  @Test
  void shouldBeAccurateWhenAnglesAreComparedWithStrictMath() {
    SplittableRandom random = new SplittableRandom(2);
    for (int i = 0; i < 200_000; i++) {
      // StrictMath gets the angle rounded to double; it is at most half a unit of 2^-50 off.
      double turns = (random.nextLong(1L << 32) + 0.5) * 0x1p-32;
      double angle = 2 * Math.PI * turns;
      assertThat(PhiloxNoise.sine(turns)).isCloseTo(StrictMath.sin(angle), within(1.5e-15));
      assertThat(PhiloxNoise.cosine(turns)).isCloseTo(StrictMath.cos(angle), within(1.5e-15));
      // Below an eighth of a turn that rounding is small: compare units in the last place.
      double small = turns / 8;
      assertUlps(PhiloxNoise.sine(small), StrictMath.sin(2 * Math.PI * small), 3);
      assertUlps(PhiloxNoise.cosine(small), StrictMath.cos(2 * Math.PI * small), 3);
    }
  }

  @Test
  void shouldRefuseWhenRangeOrTargetIsWrong() {
    assertThatThrownBy(() -> PhiloxNoise.at(0, 0, -1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("Expected indices from 0");
    assertThatThrownBy(() -> PhiloxNoise.fill(MemorySegment.ofArray(new float[3]), 4, 0, 0, 0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("Expected room for 4 float32, but the target has 12 bytes");
  }

  private static void assertUlps(double actual, double expected, int ulps) {
    assertThat(actual).isCloseTo(expected, within(ulps * Math.ulp(expected)));
  }

  private static int[] philox(int c0, int c1, int c2, int c3, int k0, int k1) {
    int[] words = {c0, c1, c2, c3};
    PhiloxNoise.philox(words, k0, k1);
    return words;
  }

  private static double uniform(int word) {
    return (Integer.toUnsignedLong(word) + 0.5) / 4294967296.0;
  }

  private static float[] fill(int count, long seed, long stream, long firstIndex) {
    float[] values = new float[count];
    PhiloxNoise.fill(MemorySegment.ofArray(values), count, seed, stream, firstIndex);
    return values;
  }

  private static float[] part(float[] values, int from, int to) {
    return Arrays.copyOfRange(values, from, to);
  }
}
