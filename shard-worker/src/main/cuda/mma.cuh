// The tensor cores' products of bfloat16 fragments with float32 sums, by their PTX instruction. Where a lane's elements are, with
// g = lane / 4 and t = lane % 4, lower column first in a word's lower half:
//   a [16, K]  words 0: (g, 2t..), 1: (g + 8, 2t..), and for K = 16 also 2: (g, 2t + 8..), 3: (g + 8, 2t + 8..)
//   b [K, 8]   words 0: rows 2t, 2t + 1 of column g, and for K = 16 also 1: rows 2t + 8, 2t + 9
//   d [16, 8]  floats 0, 1: (g, 2t), (g, 2t + 1); 2, 3: the same of row g + 8
#pragma once
#include "view.cuh"

/** d += a b with K = 16. */
__device__ inline void mma16(float (&d)[4], const unsigned* a, const unsigned* b) {
#ifdef __CUDACC__
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  emulation::mma(16, d, a, b);
#endif
}

/** d += a b with K = 8. */
__device__ inline void mma8(float (&d)[4], const unsigned* a, const unsigned* b) {
#ifdef __CUDACC__
  asm("mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(b[0]));
#else
  emulation::mma(8, d, a, b);
#endif
}

/** Two values as a fragment's word. */
__device__ inline unsigned bfloatPair(float low, float high) {
  return toBfloat(low) | static_cast<unsigned>(toBfloat(high)) << 16;
}

/** Two neighbours in memory, the first at an even index, as a fragment's word. */
__device__ inline unsigned bfloatPair(const unsigned short* at) { return *reinterpret_cast<const unsigned*>(at); }
