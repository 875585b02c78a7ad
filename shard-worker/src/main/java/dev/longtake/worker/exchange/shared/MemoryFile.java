package dev.longtake.worker.exchange.shared;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/**
 * Files that have no name and live in memory ({@code memfd_create} of Linux): nothing is left of them when the processes that have them
 * open are gone, however they end. Another process of the same user opens one by the number of its descriptor.
 */
@SuppressWarnings("restricted") // native calls are what this class is for
final class MemoryFile {
  private static final Linker LINKER = Linker.nativeLinker();
  private static final Optional<MethodHandle> CREATE =
      function(
          "memfd_create",
          FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.JAVA_INT));
  private static final Optional<MethodHandle> CLOSE =
      function("close", FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT));

  /** For those who look at a process from outside. */
  private static final String NAME = "longtake-exchange";

  /** Not for programs that this one starts. */
  private static final int CLOSE_ON_EXEC = 1;

  private MemoryFile() {}

  private static Optional<MethodHandle> function(String name, FunctionDescriptor type) {
    return LINKER.defaultLookup().find(name).map(symbol -> LINKER.downcallHandle(symbol, type));
  }

  /** A new, empty file's descriptor; below 0 where the system has no such files or no room for one more. */
  static int create() {
    if (CREATE.isEmpty() || CLOSE.isEmpty()) {
      return -1;
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment name = arena.allocateFrom(NAME);
      return (int) CREATE.get().invokeExact(name, CLOSE_ON_EXEC);
    } catch (Throwable e) {
      throw new AssertionError("memfd_create throws nothing", e);
    }
  }

  /** Closes a descriptor that {@link #create} returned; what is mapped stays mapped. */
  static void close(int descriptor) {
    try {
      var _ = (int) CLOSE.orElseThrow().invokeExact(descriptor);
    } catch (Throwable e) {
      throw new AssertionError("close throws nothing", e);
    }
  }

  /**
   * Whether what is open there is such a file. In another namespace the same numbers may mean a FIFO, and whoever opens that may
   * wait for ever.
   */
  static boolean isOne(Path path) throws IOException {
    return Files.readSymbolicLink(path).toString().startsWith("/memfd:" + NAME);
  }

  /** Where any process of the same user and the same process namespace opens the file of a descriptor. */
  static Path path(long process, int descriptor) {
    return Path.of("/proc/%d/fd/%d".formatted(process, descriptor));
  }
}
