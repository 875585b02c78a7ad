// Normal deviates from a counter. Follows dev.longtake.common.noise.PhiloxNoise line by line: the same operations in the
// same order, each exact to the last bit, give the same bits as the CPU.
#include "view.cuh"

struct Words {
  unsigned w[4];
};

/** Philox4x32-10 (Salmon et al., SC 2011). */
__device__ static Words philox(Words c, unsigned k0, unsigned k1) {
  for (int round = 0; round < 10; round++) {
    unsigned long long product0 = 0xD2511F53ull * c.w[0];
    unsigned long long product1 = 0xCD9E8D57ull * c.w[2];
    c = {{static_cast<unsigned>(product1 >> 32) ^ c.w[1] ^ k0, static_cast<unsigned>(product1),
          static_cast<unsigned>(product0 >> 32) ^ c.w[3] ^ k1, static_cast<unsigned>(product0)}};
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return c;
}

/** (w + 1/2) / 2^32, exact. */
__device__ static double uniform(unsigned word) { return (word + 0.5) * 0x1p-32; }

/** Natural logarithm of a positive normal number: log(m) = 2 atanh((m - 1) / (m + 1)) for m in [sqrt(1/2), sqrt(2)). */
__device__ static double logarithm(double x) {
  unsigned long long bits = __double_as_longlong(x);
  int exponent = static_cast<int>(bits >> 52) - 1023;
  double m = __longlong_as_double((bits & 0xFFFFFFFFFFFFFull) | 0x3FF0000000000000ull);
  if (m >= 0x1.6a09e667f3bcdp0) {
    m = m * 0.5;
    exponent++;
  }
  double f = m - 1;
  double s = f / (m + 1);
  double s2 = s * s;
  double sum = 1.0 / 23;
  sum = fma(sum, s2, 1.0 / 21);
  sum = fma(sum, s2, 1.0 / 19);
  sum = fma(sum, s2, 1.0 / 17);
  sum = fma(sum, s2, 1.0 / 15);
  sum = fma(sum, s2, 1.0 / 13);
  sum = fma(sum, s2, 1.0 / 11);
  sum = fma(sum, s2, 1.0 / 9);
  sum = fma(sum, s2, 1.0 / 7);
  sum = fma(sum, s2, 1.0 / 5);
  sum = fma(sum, s2, 1.0 / 3);
  // log(2) = 0x1.62e42fefap-1 + 0x1.cf79abc9e3b3ap-40; 2 s = f - s f, whose leading term is exact.
  double tail = fma(static_cast<double>(exponent), 0x1.cf79abc9e3b3ap-40, s * fma(2 * s2, sum, -f));
  return fma(static_cast<double>(exponent), 0x1.62e42fefap-1, f) + tail;
}

constexpr double TWO_PI = 0x1.921fb54442d18p2;

__device__ static double sinePolynomial(double turns) {
  double x = turns * TWO_PI;
  // What the product lost to rounding, and the low bits of two pi.
  double low = fma(turns, 0x1.1a62633145c07p-52, fma(turns, TWO_PI, -x));
  double x2 = x * x;
  double sum = 1.0 / 355687428096000.0;
  sum = fma(sum, x2, -1.0 / 1307674368000.0);
  sum = fma(sum, x2, 1.0 / 6227020800.0);
  sum = fma(sum, x2, -1.0 / 39916800);
  sum = fma(sum, x2, 1.0 / 362880);
  sum = fma(sum, x2, -1.0 / 5040);
  sum = fma(sum, x2, 1.0 / 120);
  sum = fma(sum, x2, -1.0 / 6);
  return x + fma(x * x2, sum, low);
}

__device__ static double cosinePolynomial(double turns) {
  double x = turns * TWO_PI;
  double x2 = x * x;
  double sum = -1.0 / 6402373705728000.0;
  sum = fma(sum, x2, 1.0 / 20922789888000.0);
  sum = fma(sum, x2, -1.0 / 87178291200.0);
  sum = fma(sum, x2, 1.0 / 479001600);
  sum = fma(sum, x2, -1.0 / 3628800);
  sum = fma(sum, x2, 1.0 / 40320);
  sum = fma(sum, x2, -1.0 / 720);
  sum = fma(sum, x2, 1.0 / 24);
  double half = 0.5 * x2;
  double head = 1 - half;
  // (1 - head) - half is what the subtraction lost.
  return head + (((1 - head) - half) + x2 * x2 * sum);
}

/** Cosine of 2 pi turns, or the sine: the same three quarters of a turn later. */
__device__ static double cosine(double turns, int laterQuarters) {
  int quarter = static_cast<int>(4 * turns + 0.5);
  double rest = turns - 0.25 * quarter;
  switch ((quarter + laterQuarters) & 3) {
    case 0:
      return cosinePolynomial(rest);
    case 1:
      return -sinePolynomial(rest);
    case 2:
      return -cosinePolynomial(rest);
    default:
      return sinePolynomial(rest);
  }
}

/** out [N, C] float32: element (r, c) gets deviate `firstElement + r * C + c`. A block has one row, a thread four deviates. */
extern "C" __global__ void noise(View out, long long seed, long long stream, long long firstElement) {
  long long from = firstElement + static_cast<long long>(blockIdx.x) * out.columns;
  long long to = from + out.columns;
  float* row = out.floats(blockIdx.x);
  for (long long block = (from >> 2) + threadIdx.x; block <= (to - 1) >> 2; block += blockDim.x) {
    Words counter = {{static_cast<unsigned>(block), static_cast<unsigned>(block >> 32), static_cast<unsigned>(stream),
                      static_cast<unsigned>(stream >> 32)}};
    Words words = philox(counter, static_cast<unsigned>(seed), static_cast<unsigned>(seed >> 32));
    for (int i = 0; i < 4; i++) {
      long long index = block * 4 + i;
      if (index >= from && index < to) {
        double radius = sqrt(-2 * logarithm(uniform(words.w[i & 2])));
        row[index - from] = static_cast<float>(radius * cosine(uniform(words.w[(i & 2) + 1]), i & 1 ? 3 : 0));
      }
    }
  }
}
