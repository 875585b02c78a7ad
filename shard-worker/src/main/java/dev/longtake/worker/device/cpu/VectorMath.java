package dev.longtake.worker.device.cpu;

import static dev.longtake.worker.device.cpu.x86.VectorConstants.C1;
import static dev.longtake.worker.device.cpu.x86.VectorConstants.C2;
import static dev.longtake.worker.device.cpu.x86.VectorConstants.C3;
import static dev.longtake.worker.device.cpu.x86.VectorConstants.C4;
import static dev.longtake.worker.device.cpu.x86.VectorConstants.C5;
import static dev.longtake.worker.device.cpu.x86.VectorConstants.C6;
import static dev.longtake.worker.device.cpu.x86.VectorConstants.EXPONENT_BITS;
import static dev.longtake.worker.device.cpu.x86.VectorConstants.GELU_CUBIC;
import static dev.longtake.worker.device.cpu.x86.VectorConstants.GELU_SCALE;
import static dev.longtake.worker.device.cpu.x86.VectorConstants.LEAST_EXPONENT;
import static dev.longtake.worker.device.cpu.x86.VectorConstants.LOG2_E_HIGH;
import static dev.longtake.worker.device.cpu.x86.VectorConstants.LOG2_E_LOW;
import static dev.longtake.worker.device.cpu.x86.VectorConstants.MANTISSA_BITS;
import static dev.longtake.worker.device.cpu.x86.VectorConstants.ROUND;

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
        shifted
            .reinterpretAsInts()
            .sub(EXPONENT_BITS)
            .lanewise(VectorOperators.LSHL, MANTISSA_BITS);
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
