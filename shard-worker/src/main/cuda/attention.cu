// softmax(scale * q k^T) v in float32 with online softmax (Milakov and Gimelshein 2018): a warp has a query. A lane scores one key of
// a tile of 32, then holds every 32nd channel of the result, to which the keys are added in their order.
#include "attention.cuh"

constexpr int MAX_DIMENSION = 256;
constexpr int QUERIES = 8; // warps of a block

/** q, k, v [.., heads * D] float32, D up to 256; out like q, float32 or bfloat16. `scale` has log2(e) in it. */
extern "C" __global__ void attentionFloat(View query, View key, View value, View out, int dimension, Sequences queries,
                                          Sequences keys, int tilesPerSequence, float scale) {
  __shared__ float q[QUERIES][MAX_DIMENSION];
  __shared__ float k[WARP][MAX_DIMENSION + 1];
  __shared__ float p[QUERIES][WARP];
  Place place(queries, keys, tilesPerSequence, QUERIES, dimension);
  if (place.firstQuery >= place.queries) {
    return; // the whole block
  }
  int warp = threadIdx.x / WARP;
  int token = place.firstQuery + warp;
  bool present = token < place.queries;
  if (present) {
    const float* row = query.floats(queries.row(place.sequence, token)) + place.channel;
    for (int d = lane(); d < dimension; d += WARP) {
      q[warp][d] = row[d];
    }
  }
  float maximum = LOWEST;
  float total = 0; // of this lane's keys
  float sums[MAX_DIMENSION / WARP] = {};
  for (int from = 0; from < place.keys; from += WARP) {
    int count = min(WARP, place.keys - from);
    __syncthreads(); // the tile before is used up
    for (int row = warp; row < count; row += QUERIES) {
      const float* source = key.floats(keys.row(place.sequence, from + row)) + place.channel;
      for (int d = lane(); d < dimension; d += WARP) {
        k[row][d] = source[d];
      }
    }
    __syncthreads();
    float score = 0;
    if (lane() < count) {
      for (int d = 0; d < dimension; d++) {
        score = fmaf(q[warp][d], k[lane()][d], score);
      }
    }
    score = lane() < count ? score * scale : LOWEST;
    float greatest = fmaxf(maximum, warpMax(score));
    float factor = exp2NotPositive(maximum - greatest);
    maximum = greatest;
    float weight = lane() < count ? exp2NotPositive(score - greatest) : 0.0f;
    total = total * factor + weight;
    p[warp][lane()] = weight;
    __syncwarp();
#pragma unroll
    for (int i = 0; i < MAX_DIMENSION / WARP; i++) {
      int d = lane() + i * WARP;
      if (d < dimension) {
        sums[i] *= factor;
        for (int row = 0; row < count; row++) {
          sums[i] = fmaf(p[warp][row], value.floats(keys.row(place.sequence, from + row))[place.channel + d], sums[i]);
        }
      }
    }
  }
  // Without keys both sums are zero, and so is the result.
  total = place.keys == 0 ? 1.0f : warpSum(total);
#pragma unroll
  for (int i = 0; i < MAX_DIMENSION / WARP; i++) {
    int d = lane() + i * WARP;
    if (present && d < dimension) {
      out.store(queries.row(place.sequence, token), place.channel + d, sums[i] / total);
    }
  }
}
