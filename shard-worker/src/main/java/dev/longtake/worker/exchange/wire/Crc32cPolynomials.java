package dev.longtake.worker.exchange.wire;

/**
 * Polynomials over GF(2) modulo that of CRC32C (RFC 3720, appendix B.4), as the processor's instruction has them: the highest bit of a number
 * is the coefficient of x^0, the lowest that of x^31.
 */
final class Crc32cPolynomials {
  private static final int ONE = 1 << 31;

  /** x^32 modulo the polynomial. */
  private static final int POLYNOMIAL = 0x82F63B78;

  /** The product of two such numbers without carries, as eight bytes, is that of the polynomials times x; as the end of a message times x^33. */
  private static final int SHIFT_OF_PRODUCTS = 33;

  private Crc32cPolynomials() {}

  /**
   * What the sum of the first bytes of a message is to be multiplied by without carries, so that the sum of the product, as eight bytes, is
   * what it adds to the sum of the message.
   *
   * @param bytes that follow the first ones, at least 5
   */
  static long factor(long bytes) {
    return Integer.toUnsignedLong(power(Byte.SIZE * bytes - SHIFT_OF_PRODUCTS));
  }

  /** x to the power of {@code exponent}, by squaring. */
  private static int power(long exponent) {
    int result = ONE;
    int square = ONE >>> 1;
    for (long rest = exponent; rest > 0; rest >>= 1) {
      if ((rest & 1) != 0) {
        result = product(result, square);
      }
      square = product(square, square);
    }
    return result;
  }

  private static int product(int a, int b) {
    int sum = 0;
    int shifted = b;
    for (int bit = ONE; bit != 0; bit >>>= 1) {
      if ((a & bit) != 0) {
        sum ^= shifted;
      }
      shifted = (shifted >>> 1) ^ ((shifted & 1) != 0 ? POLYNOMIAL : 0);
    }
    return sum;
  }
}
