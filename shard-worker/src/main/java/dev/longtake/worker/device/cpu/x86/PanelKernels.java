package dev.longtake.worker.device.cpu.x86;

import dev.longtake.common.x86.Assembler;
import dev.longtake.common.x86.Assembler.Address;
import dev.longtake.common.x86.Assembler.Register;
import dev.longtake.common.x86.MachineCode;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Arrays;
import java.util.Optional;

/**
 * Products of panels with AVX2, as in BLIS (Van Zee and van de Geijn 2015): six rows of A times sixteen columns of B are twelve
 * sums, which fill the sixteen registers together with a row of B and an element of A.
 *
 * <p>An element of C is one chain of fused multiply-adds in the order of the inner dimension, however rows, columns and the inner
 * dimension are divided into calls: between two of them the sum is kept in C, unchanged.
 *
 * <p>For any number of threads. Memory must be large enough, which nobody checks.
 */
public final class PanelKernels {
  /** Rows of A that a kernel takes at once. */
  public static final int ROWS = 6;

  /** Vectors of a row of B that a kernel takes at once, at most. */
  public static final int VECTORS = 2;

  /** Elements of a vector of float32. */
  public static final int LANES = 8;

  private static final int VECTOR_BYTES = LANES * Float.BYTES;

  // Constants, so that the JIT compiler makes the calls part of the code around them.
  private static final MethodHandle PRODUCT = MachineCode.caller(product(ValueLayout.JAVA_LONG));
  private static final MethodHandle PRODUCT_ON_HEAP =
      MachineCode.caller(product(ValueLayout.ADDRESS), Linker.Option.critical(true));
  private static final MethodHandle WIDEN =
      MachineCode.caller(
          FunctionDescriptor.ofVoid(
              ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG));

  private static final Optional<PanelKernels> INSTANCE = create();

  /** By rows and, for each of their numbers, vectors. */
  private final MemorySegment[] products = new MemorySegment[(ROWS + 1) * (VECTORS + 1)];

  private final MemorySegment widening;

  private PanelKernels() {
    Assembler assembler = new Assembler();
    int[] positions = new int[products.length];
    for (int rows = 1; rows <= ROWS; rows++) {
      for (int vectors = 1; vectors <= VECTORS; vectors++) {
        positions[index(rows, vectors)] = new ProductCode(assembler, rows, vectors).write();
      }
    }
    int widen = widen(assembler);
    MachineCode code = MachineCode.of(assembler.code());
    Arrays.setAll(products, index -> code.function(positions[index]));
    widening = code.function(widen);
  }

  private static FunctionDescriptor product(MemoryLayout place) {
    MemoryLayout number = ValueLayout.JAVA_LONG;
    return FunctionDescriptor.ofVoid(
        place, number, place, place, number, number, number, place, number);
  }

  private static int index(int rows, int vectors) {
    return rows * (VECTORS + 1) + vectors;
  }

  /** The kernels; empty where the operating system or its rules are not those that they need. The processor must have AVX2. */
  public static Optional<PanelKernels> get() {
    return INSTANCE;
  }

  private static Optional<PanelKernels> create() {
    try {
      return Optional.of(new PanelKernels());
    } catch (UnsupportedOperationException e) {
      return Optional.empty();
    }
  }

  /**
   * {@code C[rows, columns] = start + A[rows, n] * B[n, columns]} in float32, all places being addresses.
   *
   * @param rows at least 1
   * @param vectors columns in vectors, 1 or 2
   * @param a its first row
   * @param strideOfA from a row of A to the next, in bytes
   * @param b dense
   * @param c its first row
   * @param strideOfC from a row of C to the next, in bytes
   * @param n at least 1
   * @param start what the first row begins with; may be {@code c}
   * @param strideOfStart from there to what the next row begins with, in bytes; 0 if all begin alike, with a bias
   */
  public void multiply(
      int rows,
      int vectors,
      long a,
      long strideOfA,
      long b,
      long c,
      long strideOfC,
      long n,
      long start,
      long strideOfStart) {
    int whole = rows / ROWS;
    int rest = rows % ROWS;
    try {
      if (whole > 0) {
        MemorySegment kernel = products[index(ROWS, vectors)];
        PRODUCT.invokeExact(
            kernel, a, strideOfA, b, c, strideOfC, n, (long) whole, start, strideOfStart);
      }
      if (rest > 0) {
        long done = (long) whole * ROWS;
        MemorySegment kernel = products[index(rest, vectors)];
        PRODUCT.invokeExact(
            kernel,
            a + done * strideOfA,
            strideOfA,
            b,
            c + done * strideOfC,
            strideOfC,
            n,
            1L,
            start + done * strideOfStart,
            strideOfStart);
      }
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /**
   * {@code c[rows, columns] += a[rows, n] * b[n, columns]} on the heap.
   *
   * @param rows at least 1
   * @param vectors columns in vectors, 1 or 2
   * @param aAt where a begins
   * @param lda from a row of a to the next
   * @param bAt where b begins, dense
   * @param cAt where c begins
   * @param ldc from a row of c to the next
   * @param n at least 1
   */
  public void multiplyAdd(
      int rows,
      int vectors,
      float[] a,
      int aAt,
      int lda,
      float[] b,
      int bAt,
      float[] c,
      int cAt,
      int ldc,
      int n) {
    int whole = rows / ROWS;
    int rest = rows % ROWS;
    if (whole > 0) {
      onHeap(index(ROWS, vectors), whole, a, aAt, lda, b, bAt, c, cAt, ldc, n);
    }
    if (rest > 0) {
      int done = whole * ROWS;
      onHeap(
          index(rest, vectors), 1, a, aAt + done * lda, lda, b, bAt, c, cAt + done * ldc, ldc, n);
    }
  }

  private void onHeap(
      int kernel,
      int count,
      float[] a,
      int aAt,
      int lda,
      float[] b,
      int bAt,
      float[] c,
      int cAt,
      int ldc,
      int n) {
    MemorySegment sums = at(c, cAt);
    long strideOfC = (long) ldc * Float.BYTES;
    try {
      PRODUCT_ON_HEAP.invokeExact(
          products[kernel],
          at(a, aAt),
          (long) lda * Float.BYTES,
          at(b, bAt),
          sums,
          strideOfC,
          (long) n,
          (long) count,
          sums,
          strideOfC);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  private static MemorySegment at(float[] values, int index) {
    return MemorySegment.ofArray(values).asSlice((long) index * Float.BYTES);
  }

  /**
   * Widens a panel of B from bfloat16; places are addresses.
   *
   * @param source [pairs, 16, 2]: rows 2i and 2i + 1 side by side for each column
   * @param target [2 pairs, 16] in float32
   * @param pairs at least 1
   */
  public void widen(long source, long target, long pairs) {
    try {
      WIDEN.invokeExact(widening, source, target, pairs);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  private static AssertionError unexpected(Throwable e) {
    return new AssertionError("a native call throws nothing", e);
  }

  private static int widen(Assembler code) {
    Register source = Register.RDI;
    Register target = Register.RSI;
    Register pairs = Register.RDX;
    final int position = code.startLine();
    int loop = code.position();
    for (int vector = 0; vector < VECTORS; vector++) {
      int at = vector * VECTOR_BYTES;
      code.loadVector(0, Address.of(source, at));
      code.shiftVectorLeft(1, 0, Short.SIZE);
      code.shiftVectorRight(0, 0, Short.SIZE);
      code.shiftVectorLeft(0, 0, Short.SIZE);
      code.storeVector(Address.of(target, at), 1);
      code.storeVector(Address.of(target, at + VECTORS * VECTOR_BYTES), 0);
    }
    code.add(source, VECTORS * VECTOR_BYTES);
    code.add(target, 2 * VECTORS * VECTOR_BYTES);
    code.decrement(pairs);
    code.jumpBackUnlessZero(loop);
    code.end();
    return position;
  }
}
