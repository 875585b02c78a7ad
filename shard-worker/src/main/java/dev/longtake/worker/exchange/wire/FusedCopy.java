package dev.longtake.worker.exchange.wire;

import dev.longtake.common.x86.Assembler;
import dev.longtake.common.x86.InstructionSets;
import dev.longtake.common.x86.MachineCode;
import java.lang.foreign.AddressLayout;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Objects;
import java.util.Optional;

/**
 * Copies bytes and computes their CRC32C (RFC 3720) in the same pass, in machine code, at the speed of a copy alone: where memory is not in
 * the caches that is what both cost. The processor's instruction for it has a latency of three cycles and can be started in each, so
 * three lanes of the bytes are summed side by side, and their sums joined by products of polynomials ("Fast CRC Computation for
 * iSCSI Polynomial Using CRC32 Instruction", Intel 2011). Short lanes would confuse the processor's prefetching, so they are long where
 * there are many bytes.
 *
 * <p>For any number of threads.
 */
final class FusedCopy {
  /** The sum of no bytes. Sums are kept as the instruction has them, which is all bits inverted. */
  static final int START = -1;

  /** Of the lanes, in bytes, the longest first; all multiples of {@link FusedCopyCode#VECTOR_BYTES}. */
  private static final int[] LANE_BYTES = {21824, 5440, 1344};

  // Constants, so that the JIT compiler makes the calls part of the code around them.
  private static final MethodHandle LANES = lanesCaller(ValueLayout.JAVA_LONG);
  private static final MethodHandle LANES_OF_ARRAY = lanesCaller(ValueLayout.ADDRESS);
  private static final MethodHandle REST = restCaller(ValueLayout.JAVA_LONG);
  private static final MethodHandle REST_ON_HEAP = restCaller(ValueLayout.ADDRESS);

  private static final Optional<FusedCopy> INSTANCE = create();

  private final MemorySegment lanes;
  private final MemorySegment rest;

  /** What a sum is multiplied by when one lane follows, and when two do, for each length. */
  private final long[] behindOne = new long[LANE_BYTES.length];

  private final long[] behindTwo = new long[LANE_BYTES.length];

  private FusedCopy() {
    Assembler assembler = new Assembler();
    int atLanes = FusedCopyCode.writeLanes(assembler);
    int atRest = FusedCopyCode.writeRest(assembler);
    MachineCode code = MachineCode.of(assembler.code());
    lanes = code.function(atLanes);
    rest = code.function(atRest);
    for (int i = 0; i < LANE_BYTES.length; i++) {
      behindOne[i] = Crc32cPolynomials.factor(LANE_BYTES[i]);
      behindTwo[i] = Crc32cPolynomials.factor(2L * LANE_BYTES[i]);
    }
  }

  /** The target is an address. */
  private static MethodHandle lanesCaller(MemoryLayout source) {
    MemoryLayout number = ValueLayout.JAVA_LONG;
    return MachineCode.caller(
        FunctionDescriptor.of(
            ValueLayout.JAVA_LONG, source, number, number, number, number, number),
        critical(source));
  }

  private static MethodHandle restCaller(MemoryLayout place) {
    MemoryLayout number = ValueLayout.JAVA_LONG;
    return MachineCode.caller(
        FunctionDescriptor.of(ValueLayout.JAVA_LONG, place, place, number, number),
        critical(place));
  }

  private static Linker.Option critical(MemoryLayout place) {
    return Linker.Option.critical(/* allowHeapAccess= */ place instanceof AddressLayout);
  }

  /** Empty where the processor, the operating system or its rules are not those that it needs. */
  static Optional<FusedCopy> get() {
    return INSTANCE;
  }

  private static Optional<FusedCopy> create() {
    try {
      return InstructionSets.hasChecksums() ? Optional.of(new FusedCopy()) : Optional.empty();
    } catch (UnsupportedOperationException e) {
      return Optional.empty();
    }
  }

  /**
   * Copies bytes from and to addresses; nothing is created for it.
   *
   * @param register the sum of what comes before
   * @return the sum of all until here
   */
  int copy(long source, long target, long bytes, int register) {
    long sum = Integer.toUnsignedLong(register);
    long done = 0;
    try {
      for (int i = 0; i < LANE_BYTES.length; i++) {
        long lane = LANE_BYTES[i];
        for (; bytes - done >= 3 * lane; done += 3 * lane) {
          sum =
              (long)
                  LANES.invokeExact(
                      lanes, source + done, target + done, lane, sum, behindTwo[i], behindOne[i]);
        }
      }
      return (int) (long) REST.invokeExact(rest, source + done, target + done, bytes - done, sum);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /**
   * Copies bytes between segments, whose memory must stay allocated meanwhile; on the heap without lanes.
   *
   * @param register the sum of what comes before
   * @return the sum of all until here
   * @throws IndexOutOfBoundsException when a segment has fewer bytes
   */
  int copy(
      MemorySegment source, long from, MemorySegment target, long to, long bytes, int register) {
    Objects.checkFromIndexSize(from, bytes, source.byteSize());
    Objects.checkFromIndexSize(to, bytes, target.byteSize());
    return source.isNative() && target.isNative()
        ? copy(source.address() + from, target.address() + to, bytes, register)
        : copyOnHeap(source.asSlice(from, bytes), target.asSlice(to, bytes), register);
  }

  private int copyOnHeap(MemorySegment source, MemorySegment target, int register) {
    long sum = Integer.toUnsignedLong(register);
    try {
      return (int) (long) REST_ON_HEAP.invokeExact(rest, source, target, source.byteSize(), sum);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  /** The most bytes of {@code bytes} that {@link #copyArray} copies with lanes; all of them when they are too few for any. */
  static int arrayBytes(int bytes) {
    for (int lane : LANE_BYTES) {
      if (bytes >= 3 * lane) {
        return 3 * lane;
      }
    }
    return bytes;
  }

  /**
   * Copies the first bytes of an array; where they are as many as {@link #arrayBytes} says, nothing is created for it.
   *
   * @param array all of it
   * @param register the sum of what comes before
   * @return the sum of all until here
   * @throws IndexOutOfBoundsException when the array or the target has fewer bytes
   */
  int copyArray(MemorySegment array, MemorySegment target, long to, int bytes, int register) {
    Objects.checkFromIndexSize(0, bytes, array.byteSize());
    Objects.checkFromIndexSize(to, bytes, target.byteSize());
    int length = 0;
    while (length < LANE_BYTES.length && bytes != 3 * LANE_BYTES[length]) {
      length++;
    }
    return length < LANE_BYTES.length && target.isNative()
        ? copyLanes(array, target.address() + to, length, register)
        : copyOnHeap(array.asSlice(0, bytes), target.asSlice(to, bytes), register);
  }

  private int copyLanes(MemorySegment array, long target, int length, int register) {
    long sum = Integer.toUnsignedLong(register);
    long lane = LANE_BYTES[length];
    try {
      return (int)
          (long)
              LANES_OF_ARRAY.invokeExact(
                  lanes, array, target, lane, sum, behindTwo[length], behindOne[length]);
    } catch (Throwable e) {
      throw unexpected(e);
    }
  }

  private static AssertionError unexpected(Throwable e) {
    return new AssertionError("a native call throws nothing", e);
  }
}
