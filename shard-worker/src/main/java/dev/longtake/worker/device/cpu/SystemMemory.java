package dev.longtake.worker.device.cpu;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Optional;

/**
 * Zeroed memory from the C library. It does not come from an arena, because arenas count against the limit of direct memory and
 * touch what they hand out. Blocks of {@link #LARGE_BYTES} and more are mapped one by one, so that they go back to the system
 * when they are freed.
 */
@SuppressWarnings("restricted") // native calls are what this class is for
final class SystemMemory {
  private static final int LARGE_BYTES = 1 << 20;

  /** {@code M_MMAP_THRESHOLD} in glibc's malloc.h; setting it also keeps glibc from raising it. */
  private static final int MAPPING_THRESHOLD = -3;

  /** {@code MADV_POPULATE_WRITE} of Linux 5.14. */
  private static final int POPULATE = 23;

  /** {@code MADV_HUGEPAGE} of Linux. */
  private static final int HUGE_PAGES = 14;

  private static final long PAGE_BYTES = 4096;

  /** Of x86-64; where they have another size, the advice is as good. */
  private static final long HUGE_PAGE_BYTES = 2 << 20;

  private static final Linker LINKER = Linker.nativeLinker();
  private static final MethodHandle CALLOC =
      function(
              "calloc",
              FunctionDescriptor.of(
                  ValueLayout.ADDRESS, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG))
          .orElseThrow();
  private static final MethodHandle FREE =
      function("free", FunctionDescriptor.ofVoid(ValueLayout.ADDRESS)).orElseThrow();
  private static final Optional<MethodHandle> ADVISE =
      function(
          "madvise",
          FunctionDescriptor.of(
              ValueLayout.JAVA_INT,
              ValueLayout.ADDRESS,
              ValueLayout.JAVA_LONG,
              ValueLayout.JAVA_INT));

  static {
    mapLargeBlocks();
  }

  private SystemMemory() {}

  private static Optional<MethodHandle> function(String name, FunctionDescriptor type) {
    return LINKER.defaultLookup().find(name).map(symbol -> LINKER.downcallHandle(symbol, type));
  }

  /** Only glibc has the setting, and needs it: it raises the threshold whenever a mapped block is freed. */
  private static void mapLargeBlocks() {
    function(
            "mallopt",
            FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.JAVA_INT))
        .ifPresent(mallopt -> {
          try {
            var _ = (int) mallopt.invokeExact(MAPPING_THRESHOLD, LARGE_BYTES);
          } catch (Throwable e) {
            throw new AssertionError("mallopt throws nothing", e);
          }
        });
  }

  /**
   * Zeroed bytes, aligned to 16; at address 0 when the system has none. Pages count once they are touched. Those of large blocks are huge
   * where the system has such: rows of activations are kilobytes apart, and with small pages each would need a translation of its own.
   */
  static MemorySegment allocate(long sizeBytes) {
    MemorySegment block;
    try {
      block = (MemorySegment) CALLOC.invokeExact(1L, sizeBytes);
    } catch (Throwable e) {
      throw new AssertionError("calloc throws nothing", e);
    }
    if (block.address() != 0) {
      advise(block.address(), sizeBytes, HUGE_PAGE_BYTES, HUGE_PAGES);
    }
    return block;
  }

  /**
   * Makes the pages that begin in a segment resident, all in one call: touched one by one, each is an interrupt of its own.
   */
  static void populate(MemorySegment segment) {
    advise(segment.address(), segment.byteSize(), PAGE_BYTES, POPULATE);
  }

  /** About the pages that begin in a block and lie in it. Only a hint, which other systems and older kernels refuse without harm. */
  private static void advise(long address, long sizeBytes, long pageBytes, int advice) {
    long from = Math.ceilDiv(address, pageBytes) * pageBytes;
    long pages = (address + sizeBytes - from) / pageBytes;
    if (ADVISE.isPresent() && pages > 0) {
      try {
        var _ =
            (int)
                ADVISE.get().invokeExact(MemorySegment.ofAddress(from), pages * pageBytes, advice);
      } catch (Throwable e) {
        throw new AssertionError("madvise throws nothing", e);
      }
    }
  }

  /** Gives back what {@link #allocate} returned. */
  static void free(MemorySegment block) {
    try {
      FREE.invokeExact(block);
    } catch (Throwable e) {
      throw new AssertionError("free throws nothing", e);
    }
  }
}
