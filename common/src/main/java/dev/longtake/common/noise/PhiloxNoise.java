package dev.longtake.common.noise;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Normal deviates from a counter: the value of an element depends on seed, stream and the element's index alone, so any
 * worker can make any part of a tensor, in any order, and gets the same bits. Stateless, for any thread.
 *
 * <p><b>Formula.</b> Element {@code index} takes word {@code index mod 4} of the Philox4x32-10 block (Salmon et al.,
 * "Parallel random numbers: as easy as 1, 2, 3", SC 2011) with
 *
 * <pre>
 * key     = (low 32 bits of seed, high 32 bits of seed)
 * counter = (low 32 bits of b, high 32 bits of b, low 32 bits of stream, high 32 bits of stream),  b = index div 4
 * </pre>
 *
 * <p>The four words {@code w0..w3}, unsigned, become four normals by Box-Muller, in float64, pair by pair:
 *
 * <pre>
 * u(w)   = (w + 0.5) * 2^-32                      exact, in (0, 1)
 * z0, z1 = sqrt(-2 log(u(w0))) * cos(2 pi u(w1)), sqrt(-2 log(u(w0))) * sin(2 pi u(w1))
 * z2, z3 = the same of w2, w3
 * </pre>
 *
 * and are rounded to float32. {@link #log}, {@link #cosine} and {@link #sine} are the ones of this class: made only of
 * {@code + - * /}, fused multiply-add and square root, each of which IEEE 754 defines to the last bit. The same operations in the
 * same order (and no others: a compiler must not contract {@code a * b + c} by itself) give the same bits on any
 * processor, so a GPU kernel that follows the methods below line by line equals them.
 */
public final class PhiloxNoise {
  private static final ValueLayout.OfFloat FLOAT =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private static final int ROUNDS = 10;
  private static final int MULTIPLIER_0 = 0xD2511F53;
  private static final int MULTIPLIER_1 = 0xCD9E8D57;
  private static final int WEYL_0 = 0x9E3779B9;
  private static final int WEYL_1 = 0xBB67AE85;

  /** log(2) = high + low, to more than 80 bits. */
  private static final double LOG_2_HIGH = 0x1.62e42fefap-1;

  private static final double LOG_2_LOW = 0x1.cf79abc9e3b3ap-40;
  private static final double SQRT_2 = 0x1.6a09e667f3bcdp0;
  private static final double TWO_PI = 0x1.921fb54442d18p2;

  /** The low bits that {@link #TWO_PI} lacks. */
  private static final double TWO_PI_LOW = 0x1.1a62633145c07p-52;

  /** {@code 1 / (2 k + 3)}: atanh(s) = s + s^3 (1/3 + s^2/5 + ...). */
  private static final double[] ATANH = {
    1.0 / 3, 1.0 / 5, 1.0 / 7, 1.0 / 9, 1.0 / 11, 1.0 / 13, 1.0 / 15, 1.0 / 17, 1.0 / 19, 1.0 / 21,
    1.0 / 23
  };

  /** Taylor coefficients of x^3, x^5, ... of the sine. */
  private static final double[] SINE = {
    -1.0 / 6,
    1.0 / 120,
    -1.0 / 5040,
    1.0 / 362880,
    -1.0 / 39916800,
    1.0 / 6227020800.0,
    -1.0 / 1307674368000.0,
    1.0 / 355687428096000.0
  };

  /** Taylor coefficients of x^4, x^6, ... of the cosine. */
  private static final double[] COSINE = {
    1.0 / 24,
    -1.0 / 720,
    1.0 / 40320,
    -1.0 / 3628800,
    1.0 / 479001600,
    -1.0 / 87178291200.0,
    1.0 / 20922789888000.0,
    -1.0 / 6402373705728000.0
  };

  private PhiloxNoise() {}

  /**
   * The normal deviate of one element.
   *
   * @param index not negative
   */
  public static float at(long seed, long stream, long index) {
    checkRange(index, 1);
    int[] words = new int[4];
    block(seed, stream, index >>> 2, words);
    int pair = (int) index & 2;
    double radius = radius(words[pair]);
    double turns = uniform(words[pair + 1]);
    return (float) (radius * ((index & 1) == 0 ? cosine(turns) : sine(turns)));
  }

  /**
   * Writes the deviates of elements {@code firstIndex} to {@code firstIndex + count - 1}.
   *
   * @param target at least {@code count} float32, little-endian, any alignment
   */
  public static void fill(
      MemorySegment target, long count, long seed, long stream, long firstIndex) {
    checkRange(firstIndex, count);
    if (target.byteSize() / Float.BYTES < count) {
      throw new IllegalArgumentException(
          "Expected room for %d float32, but the target has %d bytes"
              .formatted(count, target.byteSize()));
    }
    int[] words = new int[4];
    float[] normals = new float[4];
    long done = 0;
    while (done < count) {
      long index = firstIndex + done;
      int from = (int) index & 3;
      int to = (int) Math.min(4, from + count - done);
      block(seed, stream, index >>> 2, words);
      normals(words, normals);
      for (int i = from; i < to; i++) {
        target.set(FLOAT, (done + i - from) * Float.BYTES, normals[i]);
      }
      done += to - from;
    }
  }

  private static void checkRange(long firstIndex, long count) {
    if (firstIndex < 0 || count < 0 || firstIndex > Long.MAX_VALUE - count) {
      throw new IllegalArgumentException(
          "Expected indices from 0 to %d, but got %d elements from %d"
              .formatted(Long.MAX_VALUE, count, firstIndex));
    }
  }

  private static void block(long seed, long stream, long block, int[] words) {
    words[0] = (int) block;
    words[1] = (int) (block >>> 32);
    words[2] = (int) stream;
    words[3] = (int) (stream >>> 32);
    philox(words, (int) seed, (int) (seed >>> 32));
  }

  /** Philox4x32-10: turns the counter in {@code words} into the random block of this key. */
  static void philox(int[] words, int key0, int key1) {
    int c0 = words[0];
    int c1 = words[1];
    int c2 = words[2];
    int c3 = words[3];
    int k0 = key0;
    int k1 = key1;
    for (int round = 0; round < ROUNDS; round++) {
      long product0 = (MULTIPLIER_0 & 0xFFFFFFFFL) * (c0 & 0xFFFFFFFFL);
      long product1 = (MULTIPLIER_1 & 0xFFFFFFFFL) * (c2 & 0xFFFFFFFFL);
      c0 = (int) (product1 >>> 32) ^ c1 ^ k0;
      c1 = (int) product1;
      c2 = (int) (product0 >>> 32) ^ c3 ^ k1;
      c3 = (int) product0;
      k0 += WEYL_0;
      k1 += WEYL_1;
    }
    words[0] = c0;
    words[1] = c1;
    words[2] = c2;
    words[3] = c3;
  }

  private static void normals(int[] words, float[] normals) {
    for (int pair = 0; pair < 4; pair += 2) {
      double radius = radius(words[pair]);
      double turns = uniform(words[pair + 1]);
      normals[pair] = (float) (radius * cosine(turns));
      normals[pair + 1] = (float) (radius * sine(turns));
    }
  }

  private static double radius(int word) {
    return Math.sqrt(-2 * log(uniform(word)));
  }

  private static double uniform(int word) {
    return ((word & 0xFFFFFFFFL) + 0.5) * 0x1p-32;
  }

  /**
   * Natural logarithm of a positive normal number: {@code x = 2^e * m} with m in [sqrt(1/2), sqrt(2)), and
   * {@code log(m) = 2 atanh(s)}, {@code s = (m - 1) / (m + 1)}.
   */
  static double log(double x) {
    long bits = Double.doubleToRawLongBits(x);
    int exponent = (int) (bits >>> 52) - 1023;
    double m = Double.longBitsToDouble((bits & 0xFFFFFFFFFFFFFL) | 0x3FF0000000000000L);
    if (m >= SQRT_2) {
      m = m * 0.5;
      exponent++;
    }
    double f = m - 1;
    double s = f / (m + 1);
    double s2 = s * s;
    double sum = ATANH[ATANH.length - 1];
    for (int i = ATANH.length - 2; i >= 0; i--) {
      sum = Math.fma(sum, s2, ATANH[i]);
    }
    // 2 s = f - s f, so that the leading term f is exact and only the small corrections are
    // rounded.
    double tail = Math.fma(exponent, LOG_2_LOW, s * Math.fma(2 * s2, sum, -f));
    return Math.fma(exponent, LOG_2_HIGH, f) + tail;
  }

  /**
   * {@code cos(2 pi turns)} for turns in [0, 1]: the nearest quarter turn is taken off exactly, the rest, at most an eighth
   * of a turn, goes through a polynomial.
   */
  static double cosine(double turns) {
    int quarter = (int) (4 * turns + 0.5);
    double rest = turns - 0.25 * quarter;
    return switch (quarter & 3) {
      case 0 -> cosinePolynomial(rest);
      case 1 -> -sinePolynomial(rest);
      case 2 -> -cosinePolynomial(rest);
      default -> sinePolynomial(rest);
    };
  }

  /** {@code sin(2 pi turns)} for turns in [0, 1], as {@link #cosine}. */
  static double sine(double turns) {
    int quarter = (int) (4 * turns + 0.5);
    double rest = turns - 0.25 * quarter;
    return switch (quarter & 3) {
      case 0 -> sinePolynomial(rest);
      case 1 -> cosinePolynomial(rest);
      case 2 -> -sinePolynomial(rest);
      default -> -cosinePolynomial(rest);
    };
  }

  private static double sinePolynomial(double turns) {
    double x = turns * TWO_PI;
    // What the product lost to rounding, and the low bits of two pi.
    double low = Math.fma(turns, TWO_PI_LOW, Math.fma(turns, TWO_PI, -x));
    double x2 = x * x;
    double sum = SINE[SINE.length - 1];
    for (int i = SINE.length - 2; i >= 0; i--) {
      sum = Math.fma(sum, x2, SINE[i]);
    }
    return x + Math.fma(x * x2, sum, low);
  }

  private static double cosinePolynomial(double turns) {
    double x = turns * TWO_PI;
    double x2 = x * x;
    double sum = COSINE[COSINE.length - 1];
    for (int i = COSINE.length - 2; i >= 0; i--) {
      sum = Math.fma(sum, x2, COSINE[i]);
    }
    double half = 0.5 * x2;
    double head = 1 - half;
    // (1 - head) - half is what the subtraction lost.
    return head + (((1 - head) - half) + x2 * x2 * sum);
  }
}
