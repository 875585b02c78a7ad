// CUDA's words for g++, so that the kernels' own sources run on the host: the threads of a block are fibers that run in turn
// from one barrier to the next. Included by platform.cuh when the compiler is not nvcc.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstring>

using std::max;
using std::min;

namespace emulation {

struct Index {
  unsigned x;
  unsigned y;
};

/** What a fiber sees of itself; each thread of the host runs a block of its own. */
extern thread_local Index thread;
extern thread_local Index block;
extern thread_local Index blockSize;

/** Waits for all threads of the block. */
void blockBarrier();

/** Waits for all lanes of the warp. */
void warpBarrier();

/** The value that another lane of the warp passes to the same call. */
float exchange(float own, int otherLane);

/** d += a b of a fragment pair, by the layout in mma.cuh; k is 8 or 16. */
void mma(int k, float (&d)[4], const unsigned* a, const unsigned* b);

template <class To, class From>
To bits(From from) {
  static_assert(sizeof(To) == sizeof(From), "bits are kept");
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}

}  // namespace emulation

#define __device__
#define __global__
#define __shared__ static thread_local
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __launch_bounds__(threads)
#define threadIdx (emulation::thread)
#define blockIdx (emulation::block)
#define blockDim (emulation::blockSize)

struct alignas(16) uint4 {
  unsigned x, y, z, w;
};

inline void __syncthreads() { emulation::blockBarrier(); }
inline void __syncwarp() { emulation::warpBarrier(); }

inline float __shfl_xor_sync(unsigned, float x, int mask) {
  return emulation::exchange(x, (emulation::thread.x % 32) ^ mask);
}

inline float __uint_as_float(unsigned x) { return emulation::bits<float>(x); }
inline unsigned __float_as_uint(float x) { return emulation::bits<unsigned>(x); }
inline long long __double_as_longlong(double x) { return emulation::bits<long long>(x); }
inline double __longlong_as_double(long long x) { return emulation::bits<double>(x); }
