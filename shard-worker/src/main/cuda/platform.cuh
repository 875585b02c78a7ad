// What every kernel stands on: nvcc's own words, or the emulation's when g++ compiles the same sources.
#pragma once

#ifndef __CUDACC__
#include "emulation.h" // on the include path of the emulated build
#endif

constexpr int WARP = 32;
constexpr unsigned ALL_LANES = 0xFFFFFFFFu;

/** Threads that share a row; others of the block have other rows. */
__device__ inline int lane() { return threadIdx.x % WARP; }

/** The warp's place in the whole grid. */
__device__ inline long long globalWarp() {
  return (static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x) / WARP;
}

/** The sum over a warp, the same bits in every lane: each step adds the same two numbers on both sides. */
__device__ inline float warpSum(float x) {
  for (int step = WARP / 2; step > 0; step /= 2) {
    x += __shfl_xor_sync(ALL_LANES, x, step);
  }
  return x;
}

__device__ inline float warpMax(float x) {
  for (int step = WARP / 2; step > 0; step /= 2) {
    x = fmaxf(x, __shfl_xor_sync(ALL_LANES, x, step));
  }
  return x;
}
