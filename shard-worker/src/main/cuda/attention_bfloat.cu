// Attention on the tensor cores, tiled as in FlashAttention (Dao et al. 2022): q, k, v and the probabilities are rounded to
// bfloat16, all sums are float32. A warp has 16 queries, a block 64; keys come in tiles of 64, in their order.
//
// No channel is padded: scores take the head's D channels in steps of 16 and a last one of 8 (D = 72 is 4 * 16 + 8), and D / 8
// fragments of 8 channels hold the result.
#include "attention.cuh"
#include "mma.cuh"

constexpr int QUERY_TILE = 64;
constexpr int KEY_TILE = 64;

/** 2^x; tests of exactness don't reach this, so the hardware's approximation does. */
__device__ static float fastExp2(float x) {
#ifdef __CUDACC__
  float result;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
#else
  return exp2f(x);
#endif
}

/** The sum over the four lanes that share a fragment's rows. */
__device__ static float quadSum(float x) {
  x += __shfl_xor_sync(ALL_LANES, x, 1);
  return x + __shfl_xor_sync(ALL_LANES, x, 2);
}

__device__ static float quadMax(float x) {
  x = fmaxf(x, __shfl_xor_sync(ALL_LANES, x, 1));
  return fmaxf(x, __shfl_xor_sync(ALL_LANES, x, 2));
}

template <int D>
__device__ static void attend(const View& query, const View& key, const View& value, const View& out,
                              const Sequences& queries, const Sequences& keys, int tilesPerSequence, float scale) {
  static_assert(D % 8 == 0, "a head is whole fragments of 8 channels");
  constexpr int STEPS = D / 16;
  constexpr bool TAIL = D % 16 != 0;
  // An odd number of 16-byte pieces spreads the rows of a fragment over the banks.
  constexpr int KEY_STRIDE = TAIL ? D : D + 8;
  constexpr int VALUE_STRIDE = KEY_TILE + 8;
  __shared__ __align__(16) unsigned short k[KEY_TILE][KEY_STRIDE];
  __shared__ __align__(16) unsigned short v[D][VALUE_STRIDE]; // transposed: two keys of a channel are neighbours
  Place place(queries, keys, tilesPerSequence, QUERY_TILE, D);
  if (place.firstQuery >= place.queries) {
    return; // the whole block
  }
  int g = lane() / 4;
  int t = lane() % 4;
  int upper = place.firstQuery + threadIdx.x / WARP * 16 + g; // this lane's queries: upper and upper + 8
  unsigned q[STEPS + 1][4] = {};
#pragma unroll
  for (int half = 0; half < 2; half++) {
    if (upper + 8 * half < place.queries) {
      const float* row = query.floats(queries.row(place.sequence, upper + 8 * half)) + place.channel + 2 * t;
#pragma unroll
      for (int d = 0; d < D; d += 8) {
        q[d / 16][half + d % 16 / 4] = bfloatPair(row[d], row[d + 1]);
      }
    }
  }
  float sums[D / 8][4] = {};
  float maxima[2] = {LOWEST, LOWEST};
  float totals[2] = {};
  for (int from = 0; from < place.keys; from += KEY_TILE) {
    __syncthreads(); // the tile before is used up
    for (int i = threadIdx.x; i < KEY_TILE * D; i += blockDim.x) {
      int row = i / D;
      int d = i % D;
      bool present = from + row < place.keys;
      long long token = present ? keys.row(place.sequence, from + row) : 0;
      k[row][d] = present ? toBfloat(key.floats(token)[place.channel + d]) : 0;
      v[d][row] = present ? toBfloat(value.floats(token)[place.channel + d]) : 0;
    }
    __syncthreads();
    float scores[KEY_TILE / 8][4] = {};
#pragma unroll
    for (int n = 0; n < KEY_TILE / 8; n++) {
      const unsigned short* row = &k[8 * n + g][2 * t];
#pragma unroll
      for (int step = 0; step < STEPS; step++) {
        unsigned b[2] = {bfloatPair(row + 16 * step), bfloatPair(row + 16 * step + 8)};
        mma16(scores[n], q[step], b);
      }
      if (TAIL) {
        unsigned b[1] = {bfloatPair(row + 16 * STEPS)};
        mma8(scores[n], q[STEPS], b);
      }
#pragma unroll
      for (int e = 0; e < 4; e++) {
        bool present = from + 8 * n + 2 * t + e % 2 < place.keys;
        scores[n][e] = present ? scores[n][e] * scale : LOWEST;
      }
    }
#pragma unroll
    for (int half = 0; half < 2; half++) {
      float greatest = maxima[half];
#pragma unroll
      for (int n = 0; n < KEY_TILE / 8; n++) {
        greatest = fmaxf(greatest, fmaxf(scores[n][2 * half], scores[n][2 * half + 1]));
      }
      greatest = quadMax(greatest);
      float factor = fastExp2(maxima[half] - greatest);
      maxima[half] = greatest;
      totals[half] *= factor;
#pragma unroll
      for (int n = 0; n < KEY_TILE / 8; n++) {
#pragma unroll
        for (int e = 2 * half; e < 2 * half + 2; e++) {
          scores[n][e] = fastExp2(scores[n][e] - greatest);
          totals[half] += scores[n][e];
        }
      }
#pragma unroll
      for (int c = 0; c < D / 8; c++) {
        sums[c][2 * half] *= factor;
        sums[c][2 * half + 1] *= factor;
      }
    }
    // Two result fragments of the scores, side by side, are just what the next product wants as its left side.
#pragma unroll
    for (int step = 0; step < KEY_TILE / 16; step++) {
      const float(&left)[4] = scores[2 * step];
      const float(&right)[4] = scores[2 * step + 1];
      unsigned p[4] = {bfloatPair(left[0], left[1]), bfloatPair(left[2], left[3]), bfloatPair(right[0], right[1]),
                       bfloatPair(right[2], right[3])};
#pragma unroll
      for (int c = 0; c < D / 8; c++) {
        const unsigned short* column = &v[8 * c + g][16 * step + 2 * t];
        unsigned b[2] = {bfloatPair(column), bfloatPair(column + 8)};
        mma16(sums[c], p, b);
      }
    }
  }
#pragma unroll
  for (int half = 0; half < 2; half++) {
    // Without keys both sums are zero, and so is the result.
    float total = place.keys == 0 ? 1.0f : quadSum(totals[half]);
    if (upper + 8 * half < place.queries) {
      long long row = queries.row(place.sequence, upper + 8 * half);
#pragma unroll
      for (int c = 0; c < D / 8; c++) {
#pragma unroll
        for (int e = 0; e < 2; e++) {
          out.store(row, place.channel + 8 * c + 2 * t + e, sums[c][2 * half + e] / total);
        }
      }
    }
  }
}

/** q, k, v [.., heads * D] float32; out like q, float32 or bfloat16. `scale` has log2(e) in it. 128 threads. */
#define ATTENTION(D)                                                                                              \
  extern "C" __global__ void __launch_bounds__(128) attentionBfloat##D(                                           \
      View query, View key, View value, View out, Sequences queries, Sequences keys, int tiles, float scale) {    \
    attend<D>(query, key, value, out, queries, keys, tiles, scale);                                               \
  }

ATTENTION(32)
ATTENTION(48)
ATTENTION(64)
ATTENTION(72)
ATTENTION(80)
ATTENTION(96)
ATTENTION(128)
