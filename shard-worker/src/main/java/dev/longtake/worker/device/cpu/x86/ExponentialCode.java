package dev.longtake.worker.device.cpu.x86;

import dev.longtake.common.x86.Assembler;
import dev.longtake.common.x86.Assembler.Operation;

/** Writes the exponentials of {@code VectorMath}, with the same bits. They change vectors 3 to 6. */
final class ExponentialCode {
  /** Where the result has become zero, after each of them. */
  static final int UNDERFLOW = 4;

  private static final int ARGUMENT = 3;
  private static final int SHIFTED = 5;
  private static final int REST = 6;

  private final Assembler code;
  private final VectorPool pool;

  ExponentialCode(Assembler code, VectorPool pool) {
    this.code = code;
    this.pool = pool;
  }

  /** {@code to = e^-|from|}, 0 where it is no normal float. */
  void writeOfNegative(int to, int from) {
    code.loadVector(ARGUMENT, pool.all(-0f));
    code.apply(Operation.OR, ARGUMENT, ARGUMENT, from);
    code.apply(Operation.MULTIPLY, REST, ARGUMENT, pool.all(VectorConstants.LOG2_E_HIGH));
    code.compareLess(UNDERFLOW, REST, pool.all(VectorConstants.LEAST_EXPONENT));
    code.apply(Operation.ADD, SHIFTED, REST, pool.all(VectorConstants.ROUND));
    code.apply(Operation.SUBTRACT, REST, SHIFTED, pool.all(VectorConstants.ROUND));
    code.apply(Operation.MULTIPLY_SUBTRACT, REST, ARGUMENT, pool.all(VectorConstants.LOG2_E_HIGH));
    code.apply(Operation.MULTIPLY_ADD, REST, ARGUMENT, pool.all(VectorConstants.LOG2_E_LOW));
    writeScaled(to);
  }

  /** {@code to = 2^from} for {@code from} up to 0, 0 where it is no normal float. */
  void writePowerOfTwo(int to, int from) {
    code.compareLess(UNDERFLOW, from, pool.all(VectorConstants.LEAST_EXPONENT));
    code.apply(Operation.ADD, SHIFTED, from, pool.all(VectorConstants.ROUND));
    code.apply(Operation.SUBTRACT, REST, SHIFTED, pool.all(VectorConstants.ROUND));
    code.apply(Operation.SUBTRACT, REST, from, REST);
    writeScaled(to);
  }

  /** {@code to = 2^rest * 2^n}, n being the integer in the low bits of {@code shifted}. */
  private void writeScaled(int to) {
    code.loadVector(to, pool.all(VectorConstants.C6));
    for (float coefficient : VectorConstants.AFTER_C6) {
      code.apply(Operation.STEP_OF_POLYNOMIAL, to, REST, pool.all(coefficient));
    }
    code.apply(
        Operation.SUBTRACT_INTEGERS, SHIFTED, SHIFTED, pool.all(VectorConstants.EXPONENT_BITS));
    code.shiftVectorLeft(SHIFTED, SHIFTED, VectorConstants.MANTISSA_BITS);
    code.apply(Operation.MULTIPLY, to, to, SHIFTED);
    code.apply(Operation.AND_NOT, to, UNDERFLOW, to);
  }
}
