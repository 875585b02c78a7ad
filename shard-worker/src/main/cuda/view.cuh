// Rows in memory as kernels take them, and bfloat16 as bits.
#pragma once
#include "platform.cuh"

/** Rounded to nearest, ties to even; a NaN stays one. */
__device__ inline unsigned short toBfloat(float x) {
  unsigned bits = __float_as_uint(x);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) {
    return static_cast<unsigned short>(bits >> 16 | 0x40u);
  }
  return static_cast<unsigned short>((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16);
}

__device__ inline float fromBfloat(unsigned short bits) {
  return __uint_as_float(static_cast<unsigned>(bits) << 16);
}

/** Element (r, c) is at data + r * stride + c, in elements of float32, or of bfloat16 where `bfloat` is not 0. */
struct View {
  void* data;
  long long stride;
  int rows;
  int columns;
  int bfloat;
  int unused; // pads the host's copy to whole words

  __device__ float* floats(long long row) const { return static_cast<float*>(data) + row * stride; }

  __device__ unsigned short* bfloats(long long row) const {
    return static_cast<unsigned short*>(data) + row * stride;
  }

  __device__ float load(long long row, int column) const {
    return bfloat ? fromBfloat(bfloats(row)[column]) : floats(row)[column];
  }

  __device__ void store(long long row, int column, float x) const {
    if (bfloat) {
      bfloats(row)[column] = toBfloat(x);
    } else {
      floats(row)[column] = x;
    }
  }
};
