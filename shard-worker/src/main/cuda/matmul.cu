// in [M, K] times weights [N, K]. A block has a tile of 64 x 64 results and visits K in steps, always from 0 up, so that a
// result's sum has one order wherever its row stands. Weights are padded with zeros to whole tiles, so only rows are guarded.
#include "math.cuh"
#include "mma.cuh"

constexpr int TILE = 64;

/** What becomes of a product: out = activation(product + bias), or out += gate * (product + bias) where `residual` is not 0. */
struct Finish {
  const float* bias; // [N] or null
  int activation;
  int residual;
  View gate; // [vectors, N]; without data the gate is 1
  const int* vectorOfGroup;
  long long rowsPerGroup;
};

__device__ static void finish(const View& out, const Finish& f, int row, int column, float product) {
  if (row >= out.rows || column >= out.columns) {
    return;
  }
  float x = f.bias == nullptr ? product : product + f.bias[column];
  if (f.residual) {
    float gate = f.gate.data == nullptr ? 1.0f : f.gate.floats(f.vectorOfGroup[row / f.rowsPerGroup])[column];
    float* to = out.floats(row) + column;
    *to = fmaf(x, gate, *to);
  } else {
    out.store(row, column, activated(x, f.activation));
  }
}

/** All in float32, as chains of fused multiply-adds over K. 256 threads, each with 4 x 4 results. */
extern "C" __global__ void linearFloat(View in, const float* weight, int paddedColumns, View out, Finish f) {
  constexpr int STEP = 16;
  __shared__ float a[STEP][TILE + 1];
  __shared__ float b[STEP][TILE + 1];
  int firstRow = blockIdx.x * TILE;
  int firstColumn = blockIdx.y * TILE;
  int x = threadIdx.x % 16;
  int y = threadIdx.x / 16;
  float sums[4][4] = {};
  for (int from = 0; from < paddedColumns; from += STEP) {
    for (int i = threadIdx.x; i < TILE * STEP; i += blockDim.x) {
      int row = i / STEP;
      int k = i % STEP;
      bool inside = firstRow + row < in.rows && from + k < in.columns;
      a[k][row] = inside ? in.floats(firstRow + row)[from + k] : 0.0f;
      b[k][row] = weight[static_cast<long long>(firstColumn + row) * paddedColumns + from + k];
    }
    __syncthreads();
    for (int k = 0; k < STEP; k++) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
#pragma unroll
        for (int j = 0; j < 4; j++) {
          sums[i][j] = fmaf(a[k][y + 16 * i], b[k][x + 16 * j], sums[i][j]);
        }
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < 4; i++) {
#pragma unroll
    for (int j = 0; j < 4; j++) {
      finish(out, f, firstRow + y + 16 * i, firstColumn + x + 16 * j, sums[i][j]);
    }
  }
}

/** Values of a step in shared memory; the padding spreads a fragment's rows over the banks. */
constexpr int BFLOAT_STEP = 32;
constexpr int BFLOAT_STRIDE = BFLOAT_STEP + 8;

/** Copies 8 values; in one piece where memory is aligned to that and all are inside. */
__device__ static void copyEight(unsigned short* to, const unsigned short* from, int inside) {
  if (inside >= 8 && reinterpret_cast<unsigned long long>(from) % 16 == 0) {
    *reinterpret_cast<uint4*>(to) = *reinterpret_cast<const uint4*>(from);
    return;
  }
  for (int i = 0; i < 8; i++) {
    to[i] = i < inside ? from[i] : 0;
  }
}

/** in and weights in bfloat16 on the tensor cores, sums in float32. 128 threads: four warps with 32 x 32 results each. */
extern "C" __global__ void linearBfloat(View in, const unsigned short* weight, int paddedColumns, View out, Finish f) {
  __shared__ __align__(16) unsigned short a[TILE][BFLOAT_STRIDE];
  __shared__ __align__(16) unsigned short b[TILE][BFLOAT_STRIDE];
  int firstRow = blockIdx.x * TILE;
  int firstColumn = blockIdx.y * TILE;
  int warp = threadIdx.x / WARP;
  int warpRow = warp / 2 * 32;
  int warpColumn = warp % 2 * 32;
  int g = lane() / 4;
  int t = lane() % 4;
  float sums[2][4][4] = {};
  for (int from = 0; from < paddedColumns; from += BFLOAT_STEP) {
    for (int i = threadIdx.x; i < TILE * BFLOAT_STEP / 8; i += blockDim.x) {
      int row = i / (BFLOAT_STEP / 8);
      int k = i % (BFLOAT_STEP / 8) * 8;
      int inside = firstRow + row < in.rows ? in.columns - from - k : 0;
      const unsigned short* own = inside > 0 ? in.bfloats(firstRow + row) + from + k : nullptr;
      copyEight(&a[row][k], own, inside);
      copyEight(&b[row][k], weight + static_cast<long long>(firstColumn + row) * paddedColumns + from + k, 8);
    }
    __syncthreads();
#pragma unroll
    for (int k = 0; k < BFLOAT_STEP; k += 16) {
#pragma unroll
      for (int i = 0; i < 2; i++) {
        const unsigned short* upper = &a[warpRow + 16 * i + g][k + 2 * t];
        const unsigned short* lower = &a[warpRow + 16 * i + g + 8][k + 2 * t];
        unsigned rows[4] = {bfloatPair(upper), bfloatPair(lower), bfloatPair(upper + 8), bfloatPair(lower + 8)};
#pragma unroll
        for (int j = 0; j < 4; j++) {
          const unsigned short* column = &b[warpColumn + 8 * j + g][k + 2 * t];
          unsigned columns[2] = {bfloatPair(column), bfloatPair(column + 8)};
          mma16(sums[i][j], rows, columns);
        }
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < 2; i++) {
#pragma unroll
    for (int j = 0; j < 4; j++) {
#pragma unroll
      for (int e = 0; e < 4; e++) {
        int row = firstRow + warpRow + 16 * i + g + e / 2 * 8;
        finish(out, f, row, firstColumn + warpColumn + 8 * j + 2 * t + e % 2, sums[i][j][e]);
      }
    }
  }
}
