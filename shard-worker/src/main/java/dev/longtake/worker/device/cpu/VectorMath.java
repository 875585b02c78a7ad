package dev.longtake.worker.device.cpu;

import dev.longtake.worker.device.Activation;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * Functions of vectors, made of operations that IEEE 754 defines to the last bit (add, multiply, divide, fused
 * multiply-add). The library's own {@code EXP} may differ between the interpreter and compiled code.
 */
final class VectorMath {
  /** 1.5 * 2^23: adding it rounds to an integer, which then stands in the low bits. */
  private static final float ROUND = 0x1.8p23f;

  private static final int ROUND_BITS = Float.floatToRawIntBits(ROUND);

  /** log2(e) as a sum of two floats. */
  private static final float LOG2_E_HIGH = 1.442695f;

  private static final float LOG2_E_LOW = 1.925963e-8f;

  /** Below, 2^t is no normal float, and becomes zero. */
  private static final float LEAST_EXPONENT = -126;

  // 2^r = 1 + r (C1 + r (C2 + ...)) on [-1/2, 1/2], a Chebyshev fit; relative error 1e-8 before
  // rounding. The constant
  // term is 1, so that 2^0 is 1.
  private static final float C1 = 0.6931472f;
  private static final float C2 = 0.2402265f;
  private static final float C3 = 0.05550357f;
  private static final float C4 = 0.009618083f;
  private static final float C5 = 0.0013390863f;
  private static final float C6 = 1.5453163e-4f;

  /** 2 sqrt(2 / pi). */
  private static final float GELU_SCALE = 1.5957692f;

  private static final float GELU_CUBIC = 0.044715f;

  private VectorMath() {}

  /** {@code 2^t} for t up to 0; relative error about 1e-7, 0 below -126. */
  static FloatVector exp2NotPositive(FloatVector t) {
    FloatVector shifted = t.add(ROUND);
    FloatVector rest = t.sub(shifted.sub(ROUND));
    return scale(rest, shifted, t.compare(VectorOperators.LT, LEAST_EXPONENT));
  }

  /** {@code e^x} for x up to 0; relative error about 1e-7, 0 where the result is no normal float. */
  static FloatVector expNotPositive(FloatVector x) {
    FloatVector t = x.mul(LOG2_E_HIGH);
    FloatVector shifted = t.add(ROUND);
    FloatVector whole = shifted.sub(ROUND);
    FloatVector high = FloatVector.broadcast(Lanes.FLOATS, LOG2_E_HIGH);
    FloatVector low = FloatVector.broadcast(Lanes.FLOATS, LOG2_E_LOW);
    FloatVector rest = x.fma(low, x.fma(high, whole.neg()));
    return scale(rest, shifted, t.compare(VectorOperators.LT, LEAST_EXPONENT));
  }

  /** {@code e^x}; relative error about 2e-7, 0 below 2^-126 and infinite above 2^126. */
  static FloatVector exp(FloatVector x) {
    FloatVector e = expNotPositive(x.abs().neg());
    FloatVector inverse = FloatVector.broadcast(Lanes.FLOATS, 1).div(e);
    return e.blend(inverse, x.compare(VectorOperators.GT, 0f));
  }

  /** {@code 2^rest * 2^n}, n being the integer in the low bits of {@code shifted}; zero where it would underflow. */
  private static FloatVector scale(
      FloatVector rest, FloatVector shifted, VectorMask<Float> underflow) {
    FloatVector sum = FloatVector.broadcast(Lanes.FLOATS, C6);
    sum = sum.fma(rest, FloatVector.broadcast(Lanes.FLOATS, C5));
    sum = sum.fma(rest, FloatVector.broadcast(Lanes.FLOATS, C4));
    sum = sum.fma(rest, FloatVector.broadcast(Lanes.FLOATS, C3));
    sum = sum.fma(rest, FloatVector.broadcast(Lanes.FLOATS, C2));
    sum = sum.fma(rest, FloatVector.broadcast(Lanes.FLOATS, C1));
    sum = sum.fma(rest, FloatVector.broadcast(Lanes.FLOATS, 1));
    IntVector exponent =
        shifted.reinterpretAsInts().sub(ROUND_BITS - 127).lanewise(VectorOperators.LSHL, 23);
    // A product, not a sum of exponents, so that a NaN stays one.
    return sum.mul(exponent.reinterpretAsFloats()).blend(0f, underflow);
  }

  static FloatVector apply(FloatVector x, Activation activation) {
    return switch (activation) {
      case NONE -> x;
      case GELU_TANH -> geluTanh(x);
      case SILU -> silu(x);
    };
  }

  static FloatVector geluTanh(FloatVector x) {
    // tanh(u) = 2 sigmoid(2 u) - 1, so x / 2 * (1 + tanh(u)) = x sigmoid(2 u).
    FloatVector cubic = x.mul(x).mul(GELU_CUBIC).add(1f);
    return timesSigmoid(x, x.mul(GELU_SCALE).mul(cubic));
  }

  static FloatVector silu(FloatVector x) {
    return timesSigmoid(x, x);
  }

  /** {@code x / (1 + e^-y)}, in a form that cannot overflow: with e^-|y|. */
  private static FloatVector timesSigmoid(FloatVector x, FloatVector y) {
    FloatVector e = expNotPositive(y.abs().neg());
    FloatVector numerator =
        FloatVector.broadcast(Lanes.FLOATS, 1).blend(e, y.compare(VectorOperators.LT, 0f));
    return x.mul(numerator).div(e.add(1f));
  }
}
