package dev.longtake.worker.device.cpu.x86;

import dev.longtake.common.x86.Assembler;
import dev.longtake.common.x86.Assembler.Address;
import dev.longtake.common.x86.Assembler.Operation;
import dev.longtake.common.x86.Assembler.Register;
import dev.longtake.common.x86.MachineCode;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Activation functions of float32 with AVX2: the operations that the Vector API is given, in their order, so that no bit differs. Compiled
 * from Java they take almost twice as long, and thirty times until the optimising compiler has come to them.
 *
 * <p>For any number of threads. Memory must be large enough, which nobody checks.
 */
public final class ActivationKernels {
  private static final int VECTOR_BYTES = PanelKernels.LANES * Float.BYTES;

  // A constant, so that the JIT compiler makes the call part of the code around it.
  private static final MethodHandle CALL =
      MachineCode.caller(
          FunctionDescriptor.ofVoid(
              ValueLayout.JAVA_LONG,
              ValueLayout.JAVA_LONG,
              ValueLayout.JAVA_LONG,
              ValueLayout.JAVA_LONG),
          Linker.Option.critical(/* allowHeapAccess= */ false));

  private static final Optional<ActivationKernels> INSTANCE = create();

  private final MemorySegment geluTanh;

  /** Bits of what all lanes of a vector have, in the order of the code. */
  private final List<Integer> constants = new ArrayList<>();

  private final MemorySegment vectors;

  private ActivationKernels() {
    Assembler assembler = new Assembler();
    int position = writeGeluTanh(assembler);
    geluTanh = MachineCode.of(assembler.code()).function(position);
    vectors = Arena.global().allocate((long) constants.size() * VECTOR_BYTES, VECTOR_BYTES);
    for (int i = 0; i < constants.size() * PanelKernels.LANES; i++) {
      vectors.setAtIndex(ValueLayout.JAVA_INT, i, constants.get(i / PanelKernels.LANES));
    }
  }

  /** The kernels; empty where the operating system or its rules are not those that they need. The processor must have AVX2. */
  public static Optional<ActivationKernels> get() {
    return INSTANCE;
  }

  private static Optional<ActivationKernels> create() {
    try {
      return Optional.of(new ActivationKernels());
    } catch (UnsupportedOperationException e) {
      return Optional.empty();
    }
  }

  /**
   * {@code out = in / 2 * (1 + tanh(sqrt(2 / pi) * (in + 0.044715 in^3)))}, places being addresses.
   *
   * @param out may be {@code in}
   * @param count vectors of eight, at least 1
   */
  public void geluTanh(long in, long out, long count) {
    try {
      CALL.invokeExact(geluTanh, in, out, count, vectors.address());
    } catch (Throwable e) {
      throw new AssertionError("a native call throws nothing", e);
    }
  }

  private Address all(float value) {
    return all(Float.floatToRawIntBits(value));
  }

  private Address all(int bits) {
    int index = constants.indexOf(bits);
    if (index < 0) {
      index = constants.size();
      constants.add(bits);
    }
    return Address.of(Register.RCX, index * VECTOR_BYTES);
  }

  private int writeGeluTanh(Assembler code) {
    Register in = Register.RDI;
    Register out = Register.RSI;
    Register count = Register.RDX;
    final int x = 0;
    final int y = 1;
    final int e = 2;
    final int mask = 4;

    final int position = code.startLine();
    int loop = code.startLine();
    code.loadVector(x, Address.of(in, 0));
    // y = 2 u, of which tanh(u) = 2 / (1 + e^-y) - 1.
    code.apply(Operation.MULTIPLY, e, x, x);
    code.apply(Operation.MULTIPLY, e, e, all(VectorConstants.GELU_CUBIC));
    code.apply(Operation.ADD, e, e, all(1f));
    code.apply(Operation.MULTIPLY, y, x, all(VectorConstants.GELU_SCALE));
    code.apply(Operation.MULTIPLY, y, y, e);
    writeExponential(code, e, y);
    code.compareLess(mask, y, all(0f));
    code.loadVector(y, all(1f));
    code.select(y, y, e, mask);
    code.apply(Operation.MULTIPLY, x, x, y);
    code.apply(Operation.ADD, e, e, all(1f));
    code.apply(Operation.DIVIDE, x, x, e);
    code.storeVector(Address.of(out, 0), x);
    code.add(in, VECTOR_BYTES);
    code.add(out, VECTOR_BYTES);
    code.decrement(count);
    code.jumpBackUnlessZero(loop);
    code.end();
    return position;
  }

  /** {@code to = e^-|from|}, 0 where it is no normal float; changes vectors 3 to 7. */
  private void writeExponential(Assembler code, int to, int from) {
    final int argument = 3;
    final int underflow = 4;
    final int shifted = 5;
    final int rest = 6;

    code.loadVector(argument, all(-0f));
    code.apply(Operation.OR, argument, argument, from);
    code.apply(Operation.MULTIPLY, rest, argument, all(VectorConstants.LOG2_E_HIGH));
    code.compareLess(underflow, rest, all(VectorConstants.LEAST_EXPONENT));
    code.apply(Operation.ADD, shifted, rest, all(VectorConstants.ROUND));
    code.apply(Operation.SUBTRACT, rest, shifted, all(VectorConstants.ROUND));
    code.apply(Operation.MULTIPLY_SUBTRACT, rest, argument, all(VectorConstants.LOG2_E_HIGH));
    code.apply(Operation.MULTIPLY_ADD, rest, argument, all(VectorConstants.LOG2_E_LOW));
    code.loadVector(to, all(VectorConstants.C6));
    for (float coefficient : VectorConstants.AFTER_C6) {
      code.apply(Operation.STEP_OF_POLYNOMIAL, to, rest, all(coefficient));
    }
    code.apply(Operation.SUBTRACT_INTEGERS, shifted, shifted, all(VectorConstants.EXPONENT_BITS));
    code.shiftVectorLeft(shifted, shifted, VectorConstants.MANTISSA_BITS);
    code.apply(Operation.MULTIPLY, to, to, shifted);
    code.apply(Operation.AND_NOT, to, underflow, to);
  }
}
