// Functions made of operations that IEEE 754 defines to the last bit, as the CPU device has them (VectorMath). Compiled
// without contraction, so a fused multiply-add stands just where it is written.
#pragma once
#include "platform.cuh"

/** Applied to a product's result; the numbers are those of dev.longtake.worker.device.Activation. */
enum Activation { NONE = 0, GELU_TANH = 1, SILU = 2 };

/** 2^rest * 2^n, n being the integer in the low bits of `shifted`. A Chebyshev fit on [-1/2, 1/2]. */
__device__ inline float scaleExp2(float rest, float shifted) {
  float sum = 1.5453163e-4f;
  sum = fmaf(sum, rest, 0.0013390863f);
  sum = fmaf(sum, rest, 0.009618083f);
  sum = fmaf(sum, rest, 0.05550357f);
  sum = fmaf(sum, rest, 0.2402265f);
  sum = fmaf(sum, rest, 0.6931472f);
  sum = fmaf(sum, rest, 1.0f);
  unsigned exponent = (__float_as_uint(shifted) - (0x4B400000u - 127u)) << 23;
  // A product, not a sum of exponents, so that a NaN stays one.
  return sum * __uint_as_float(exponent);
}

/** 1.5 * 2^23: adding it rounds to an integer, which then stands in the low bits. */
constexpr float ROUND = 12582912.0f;

/** Below, 2^t is no normal float and becomes zero. */
constexpr float LEAST_EXPONENT = -126.0f;

/** 2^t for t up to 0. */
__device__ inline float exp2NotPositive(float t) {
  float shifted = t + ROUND;
  float result = scaleExp2(t - (shifted - ROUND), shifted);
  return t < LEAST_EXPONENT ? 0.0f : result;
}

/** e^x for x up to 0. */
__device__ inline float expNotPositive(float x) {
  constexpr float HIGH = 1.442695f; // log2(e) as a sum of two floats
  constexpr float LOW = 1.925963e-8f;
  float t = x * HIGH;
  float shifted = t + ROUND;
  float whole = shifted - ROUND;
  float result = scaleExp2(fmaf(x, LOW, fmaf(x, HIGH, -whole)), shifted);
  return t < LEAST_EXPONENT ? 0.0f : result;
}

/** e^x: 0 below 2^-126, infinite above 2^126. */
__device__ inline float exponential(float x) {
  float e = expNotPositive(-fabsf(x));
  return x > 0 ? 1.0f / e : e;
}

/** x / (1 + e^-y), with e^-|y|, which cannot overflow. */
__device__ inline float timesSigmoid(float x, float y) {
  float e = expNotPositive(-fabsf(y));
  return x * (y < 0 ? e : 1.0f) / (e + 1.0f);
}

__device__ inline float activated(float x, int activation) {
  if (activation == GELU_TANH) {
    // tanh(u) = 2 sigmoid(2 u) - 1, so x / 2 * (1 + tanh(u)) = x sigmoid(2 u); 1.5957692 = 2 sqrt(2 / pi).
    return timesSigmoid(x, x * 1.5957692f * (x * x * 0.044715f + 1.0f));
  }
  return activation == SILU ? timesSigmoid(x, x) : x;
}
