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

  private static final long PAGE_BYTES = 4096;

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

  /** Zeroed bytes, aligned to 16; at address 0 when the system has none. Pages count once they are touched. */
  static MemorySegment allocate(long sizeBytes) {
    try {
      return (MemorySegment) CALLOC.invokeExact(1L, sizeBytes);
    } catch (Throwable e) {
      throw new AssertionError("calloc throws nothing", e);
    }
  }

  /**
   * Makes the pages that begin in a segment resident, all in one call: touched one by one, each is an interrupt of its own. Only a
   * hint, which other systems and older kernels refuse without harm.
   */
  static void populate(MemorySegment segment) {
    long from = Math.ceilDiv(segment.address(), PAGE_BYTES) * PAGE_BYTES;
    long pages = (segment.address() + segment.byteSize() - from) / PAGE_BYTES;
    if (ADVISE.isPresent() && pages > 0) {
      try {
        var _ =
            (int)
                ADVISE
                    .get()
                    .invokeExact(MemorySegment.ofAddress(from), pages * PAGE_BYTES, POPULATE);
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
