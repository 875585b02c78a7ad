package dev.longtake.worker.device.cpu.x86;

import dev.longtake.common.x86.Assembler;
import dev.longtake.common.x86.Assembler.Address;
import dev.longtake.common.x86.Assembler.Operation;
import dev.longtake.common.x86.Assembler.Register;
import dev.longtake.common.x86.MachineCode;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
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

  private final MemorySegment vectors;

  private ActivationKernels() {
    Assembler assembler = new Assembler();
    VectorPool pool = new VectorPool(Register.RCX);
    int position = writeGeluTanh(assembler, pool);
    geluTanh = MachineCode.of(assembler.code()).function(position);
    vectors = pool.toMemory();
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

  private static int writeGeluTanh(Assembler code, VectorPool pool) {
    Register in = Register.RDI;
    Register out = Register.RSI;
    Register count = Register.RDX;
    final int x = 0;
    final int y = 1;
    final int e = 2;
    final int mask = ExponentialCode.UNDERFLOW;

    final int position = code.startLine();
    int loop = code.startLine();
    code.loadVector(x, Address.of(in, 0));
    // y = 2 u, of which tanh(u) = 2 / (1 + e^-y) - 1.
    code.apply(Operation.MULTIPLY, e, x, x);
    code.apply(Operation.MULTIPLY, e, e, pool.all(VectorConstants.GELU_CUBIC));
    code.apply(Operation.ADD, e, e, pool.all(1f));
    code.apply(Operation.MULTIPLY, y, x, pool.all(VectorConstants.GELU_SCALE));
    code.apply(Operation.MULTIPLY, y, y, e);
    new ExponentialCode(code, pool).writeOfNegative(e, y);
    code.compareLess(mask, y, pool.all(0f));
    code.loadVector(y, pool.all(1f));
    code.select(y, y, e, mask);
    code.apply(Operation.MULTIPLY, x, x, y);
    code.apply(Operation.ADD, e, e, pool.all(1f));
    code.apply(Operation.DIVIDE, x, x, e);
    code.storeVector(Address.of(out, 0), x);
    code.add(in, VECTOR_BYTES);
    code.add(out, VECTOR_BYTES);
    code.decrement(count);
    code.jumpBackUnlessZero(loop);
    code.end();
    return position;
  }
}
