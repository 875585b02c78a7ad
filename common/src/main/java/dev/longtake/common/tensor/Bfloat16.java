package dev.longtake.common.tensor;

/** Conversion between float32 and bfloat16 (its upper half). */
public final class Bfloat16 {
  private Bfloat16() {}

  /** Rounds to nearest, ties to even; a NaN stays a NaN. */
  public static short fromFloat(float value) {
    int bits = Float.floatToRawIntBits(value);
    if (Float.isNaN(value)) {
      return (short) ((bits >>> 16) | 0x40);
    }
    return (short) ((bits + 0x7FFF + ((bits >>> 16) & 1)) >>> 16);
  }

  /** Exact. */
  public static float toFloat(short bits) {
    return Float.intBitsToFloat(bits << 16);
  }
}
