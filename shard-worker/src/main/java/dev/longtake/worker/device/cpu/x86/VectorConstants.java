package dev.longtake.worker.device.cpu.x86;

import java.util.List;

/** Numbers of the functions that both the Vector API and machine code compute, to the same last bit. */
public final class VectorConstants {
  /** 1.5 * 2^23: adding it rounds to an integer, which then stands in the low bits. */
  public static final float ROUND = 0x1.8p23f;

  /** What the bits of {@code ROUND + n} have more than the exponent of 2^n. */
  public static final int EXPONENT_BITS = Float.floatToRawIntBits(ROUND) - 127;

  /** Below a float's exponent. */
  public static final int MANTISSA_BITS = 23;

  /** log2(e) as a sum of two floats. */
  public static final float LOG2_E_HIGH = 1.442695f;

  public static final float LOG2_E_LOW = 1.925963e-8f;

  /** Below, 2^t is no normal float, and becomes zero. */
  public static final float LEAST_EXPONENT = -126;

  // 2^r = 1 + r (C1 + r (C2 + ...)) on [-1/2, 1/2], a Chebyshev fit; relative error 1e-8 before
  // rounding. The constant term is 1, so that 2^0 is 1.
  public static final float C1 = 0.6931472f;
  public static final float C2 = 0.2402265f;
  public static final float C3 = 0.05550357f;
  public static final float C4 = 0.009618083f;
  public static final float C5 = 0.0013390863f;
  public static final float C6 = 1.5453163e-4f;

  /** What follows C6, in the order of Horner's scheme. */
  static final List<Float> AFTER_C6 = List.of(C5, C4, C3, C2, C1, 1f);

  /** 2 sqrt(2 / pi). */
  public static final float GELU_SCALE = 1.5957692f;

  public static final float GELU_CUBIC = 0.044715f;

  private VectorConstants() {}
}
