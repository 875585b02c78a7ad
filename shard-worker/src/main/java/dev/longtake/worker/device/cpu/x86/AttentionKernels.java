package dev.longtake.worker.device.cpu.x86;

import dev.longtake.common.x86.Assembler;
import dev.longtake.common.x86.MachineCode;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Optional;

/**
 * What attention does beside its products, of float32 with AVX2, bit by bit what the Vector API makes of it. Compiled from Java it takes longer
 * than the products where sequences are short.
 *
 * <p>Rows are whole vectors of eight. For any number of threads. Memory must be large enough, which nobody checks.
 */
public final class AttentionKernels {
  private static final MemoryLayout PLACE = ValueLayout.ADDRESS;
  private static final MemoryLayout NUMBER = ValueLayout.JAVA_LONG;

  // Constants, so that the JIT compiler makes the calls part of the code around them.
  private static final MethodHandle SOFTMAX =
      caller(PLACE, PLACE, PLACE, PLACE, NUMBER, NUMBER, NUMBER, NUMBER, NUMBER);
  private static final MethodHandle QUOTIENTS =
      caller(PLACE, PLACE, NUMBER, NUMBER, NUMBER, NUMBER);
  private static final MethodHandle SCALED_ROWS =
      caller(NUMBER, NUMBER, PLACE, NUMBER, NUMBER, NUMBER, NUMBER);
  private static final MethodHandle TRANSPOSE = caller(PLACE, PLACE, NUMBER, NUMBER, NUMBER);

  private static final Optional<AttentionKernels> INSTANCE = create();

  private final MemorySegment softmax;
  private final MemorySegment quotients;
  private final MemorySegment scaledRows;
  private final MemorySegment transpose;
  private final MemorySegment constants;

  private AttentionKernels() {
    Assembler assembler = new Assembler();
    AttentionCode writer = new AttentionCode(assembler);
    final int softmaxAt = writer.writeSoftmax();
    final int quotientsAt = writer.writeQuotients();
    final int scaledRowsAt = writer.writeScaledRows();
    final int transposeAt = writer.writeTranspose();
    MachineCode code = MachineCode.of(assembler.code());
    softmax = code.function(softmaxAt);
    quotients = code.function(quotientsAt);
    scaledRows = code.function(scaledRowsAt);
    transpose = code.function(transposeAt);
    constants = writer.pool().toMemory();
  }

  private static MethodHandle caller(MemoryLayout... arguments) {
    return MachineCode.caller(
        FunctionDescriptor.ofVoid(arguments), Linker.Option.critical(/* allowHeapAccess= */ true));
  }

  /** The kernels; empty where the operating system or its rules are not those that they need. The processor must have AVX2. */
  public static Optional<AttentionKernels> get() {
    return INSTANCE;
  }

  private static Optional<AttentionKernels> create() {
    try {
      return Optional.of(new AttentionKernels());
    } catch (UnsupportedOperationException e) {
      return Optional.empty();
    }
  }

  /**
   * Turns scores into probabilities relative to the greatest score of a query so far, {@code 2^(score - maximum)}, and what was summed up
   * before along with it.
   *
   * @param scores [rows, vectors]
   * @param stride from a row of scores to the next
   * @param vectors of a row of scores, at least 1
   * @param maxima [rows], of the keys before
   * @param totals [rows, one vector], of probabilities
   * @param sums [rows, sumVectors], of weighted values
   * @param sumVectors of a row of sums, at least 1
   * @param rows queries, at least 1
   */
  public void softmax(
      float[] scores,
      int stride,
      int vectors,
      float[] maxima,
      float[] totals,
      float[] sums,
      int sumVectors,
      int rows) {
    try {
      SOFTMAX.invokeExact(
          softmax,
          MemorySegment.ofArray(scores),
          MemorySegment.ofArray(maxima),
          MemorySegment.ofArray(totals),
          MemorySegment.ofArray(sums),
          (long) rows,
          (long) vectors,
          (long) stride * Float.BYTES,
          (long) sumVectors,
          constants.address());
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /**
   * {@code out = sums / total}, a row's total being all lanes of its vector together.
   *
   * @param sums [rows, vectors]
   * @param totals [rows, one vector]
   * @param out an address
   * @param strideBytes from a row of {@code out} to the next
   * @param vectors of a row, at least 1
   * @param rows at least 1
   */
  public void quotients(
      float[] sums, float[] totals, long out, long strideBytes, int vectors, int rows) {
    try {
      QUOTIENTS.invokeExact(
          quotients,
          MemorySegment.ofArray(sums),
          MemorySegment.ofArray(totals),
          out,
          strideBytes,
          (long) vectors,
          (long) rows);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /**
   * {@code out = factor * in}.
   *
   * @param in an address
   * @param strideBytes from a row of {@code in} to the next
   * @param outAt where the first row of {@code out} begins
   * @param columns from a row of {@code out} to the next
   * @param vectors of a row, at least 1
   * @param rows at least 1
   */
  public void scaledRows(
      long in,
      long strideBytes,
      float[] out,
      int outAt,
      int columns,
      int vectors,
      int rows,
      float factor) {
    try {
      SCALED_ROWS.invokeExact(
          scaledRows,
          in,
          strideBytes,
          MemorySegment.ofArray(out).asSlice((long) outAt * Float.BYTES),
          (long) columns * Float.BYTES,
          (long) vectors,
          (long) rows,
          (long) Float.floatToRawIntBits(factor));
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /**
   * Eight dense rows to columns: {@code target[column, row]}.
   *
   * @param rowsAt where the rows begin
   * @param vectors of a row, at least 1
   * @param targetAt where the target begins
   * @param columns from a row of the target to the next
   */
  public void transpose(
      float[] rows, int rowsAt, int vectors, float[] target, int targetAt, int columns) {
    try {
      TRANSPOSE.invokeExact(
          transpose,
          MemorySegment.ofArray(rows).asSlice((long) rowsAt * Float.BYTES),
          MemorySegment.ofArray(target).asSlice((long) targetAt * Float.BYTES),
          (long) vectors,
          (long) vectors * PanelKernels.LANES * Float.BYTES,
          (long) columns * Float.BYTES);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  private static AssertionError unexpected(Throwable e) {
    return new AssertionError("a native call throws nothing", e);
  }
}
