package dev.longtake.worker.device.cpu.x86;

import dev.longtake.common.x86.Assembler;
import dev.longtake.common.x86.MachineCode;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Collections;
import java.util.Optional;

/**
 * Norms, rotations and gated sums of rows of float32 with AVX2, bit by bit what the Vector API makes of them. Compiled from Java they take several times
 * as long where rows are short.
 *
 * <p>Places are addresses, strides are from one row to the next, in bytes; rows are whole vectors of eight. For any number of threads. Memory must be
 * large enough, which nobody checks.
 */
public final class RowKernels {
  private static final int ROW_ARGUMENTS = 6;
  private static final long ONE = Double.doubleToRawLongBits(1);

  // Constants, so that the JIT compiler makes the calls part of the code around them.
  private static final MethodHandle ADD_PRODUCTS = caller(1);
  private static final MethodHandle NORM_HEADS = caller(3);
  private static final MethodHandle NORM_ROWS = caller(6);
  private static final MethodHandle ROTATE_HEADS =
      MachineCode.caller(
          FunctionDescriptor.ofVoid(
              ValueLayout.JAVA_LONG,
              ValueLayout.JAVA_LONG,
              ValueLayout.JAVA_LONG,
              ValueLayout.ADDRESS,
              ValueLayout.ADDRESS),
          Linker.Option.critical(/* allowHeapAccess= */ true));

  private static final Optional<RowKernels> INSTANCE = create();

  private final MemorySegment addProducts;
  private final MemorySegment addGatedProducts;
  private final MemorySegment normHeads;
  private final MemorySegment normRows;
  private final MemorySegment rotateHeads;

  private RowKernels() {
    Assembler assembler = new Assembler();
    RowCode writer = new RowCode(assembler);
    final int plain = writer.writeAddProducts(/* gated= */ false);
    final int gated = writer.writeAddProducts(/* gated= */ true);
    final int heads = writer.writeNormHeads();
    final int rows = writer.writeNormRows();
    final int rotation = writer.writeRotateHeads();
    MachineCode code = MachineCode.of(assembler.code());
    addProducts = code.function(plain);
    addGatedProducts = code.function(gated);
    normHeads = code.function(heads);
    normRows = code.function(rows);
    rotateHeads = code.function(rotation);
  }

  /** With so many arguments on the stack. */
  private static MethodHandle caller(int onStack) {
    MemoryLayout[] arguments =
        Collections.nCopies(ROW_ARGUMENTS + onStack, ValueLayout.JAVA_LONG)
            .toArray(MemoryLayout[]::new);
    return MachineCode.caller(
        FunctionDescriptor.ofVoid(arguments), Linker.Option.critical(/* allowHeapAccess= */ false));
  }

  /** The kernels; empty where the operating system or its rules are not those that they need. The processor must have AVX2. */
  public static Optional<RowKernels> get() {
    return INSTANCE;
  }

  private static Optional<RowKernels> create() {
    try {
      return Optional.of(new RowKernels());
    } catch (UnsupportedOperationException e) {
      return Optional.empty();
    }
  }

  /**
   * {@code residual += product}.
   *
   * @param vectors of a row, at least 1
   * @param rows at least 1
   */
  public void addProducts(
      long product, long productStride, long residual, long residualStride, int vectors, int rows) {
    addProducts(addProducts, product, productStride, residual, residualStride, 0, vectors, rows);
  }

  /**
   * {@code residual += gate * product}, with one rounding.
   *
   * @param gate one row, for all
   * @param vectors of a row, at least 1
   * @param rows at least 1
   */
  public void addProducts(
      long product,
      long productStride,
      long residual,
      long residualStride,
      long gate,
      int vectors,
      int rows) {
    addProducts(
        addGatedProducts, product, productStride, residual, residualStride, gate, vectors, rows);
  }

  private static void addProducts(
      MemorySegment kernel,
      long product,
      long productStride,
      long residual,
      long residualStride,
      long gate,
      int vectors,
      int rows) {
    try {
      ADD_PRODUCTS.invokeExact(
          kernel,
          product,
          productStride,
          residual,
          residualStride,
          gate,
          (long) vectors,
          (long) rows);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /**
   * Every head of every row by itself: {@code head = head / sqrt(mean(head^2) + epsilon) * weight}.
   *
   * @param vectors of a head, at least 1
   * @param heads of a row, at least 1
   * @param rows at least 1
   * @param weight of one head
   */
  public void normHeads(
      long values, long stride, int vectors, int heads, int rows, long weight, float epsilon) {
    int channels = vectors * PanelKernels.LANES;
    try {
      NORM_HEADS.invokeExact(
          normHeads,
          values,
          (long) rows,
          stride - (long) channels * heads * Float.BYTES,
          (long) heads,
          (long) vectors,
          weight,
          ONE,
          Double.doubleToRawLongBits(epsilon),
          (long) Float.floatToRawIntBits(channels));
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /**
   * Pairs of neighbours in each head of a row: {@code values * cosines + swapped values * sines}.
   *
   * @param heads at least 1
   * @param vectors of a head, at least 1
   * @param cosines of one head
   * @param sines of one head, with their signs
   */
  public void rotateHeads(long values, int heads, int vectors, float[] cosines, float[] sines) {
    try {
      ROTATE_HEADS.invokeExact(
          rotateHeads,
          values,
          (long) heads,
          (long) vectors,
          MemorySegment.ofArray(cosines),
          MemorySegment.ofArray(sines));
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /**
   * {@code out = layerNorm(in) * (base + scale) + shift}.
   *
   * @param out may be {@code in}
   * @param shift one row, for all
   * @param scale one row, for all
   * @param vectors of a row, at least 1
   * @param rows at least 1
   */
  public void normRows(
      long in,
      long inStride,
      long out,
      long outStride,
      long shift,
      long scale,
      int vectors,
      int rows,
      float base,
      float epsilon) {
    try {
      NORM_ROWS.invokeExact(
          normRows,
          in,
          inStride,
          out,
          outStride,
          shift,
          scale,
          (long) vectors,
          (long) rows,
          (long) Float.floatToRawIntBits((float) vectors * PanelKernels.LANES),
          (long) Float.floatToRawIntBits(base),
          Double.doubleToRawLongBits(epsilon),
          ONE);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  private static AssertionError unexpected(Throwable e) {
    return new AssertionError("a native call throws nothing", e);
  }
}
