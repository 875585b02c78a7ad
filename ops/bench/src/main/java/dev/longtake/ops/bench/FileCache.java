package dev.longtake.ops.bench;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;

/** Makes the system forget what it has cached of files, so that the next read comes from the disk. Linux only. */
@SuppressWarnings("restricted") // native calls are what this class is for
final class FileCache {
  /** {@code POSIX_FADV_DONTNEED} on Linux. */
  private static final int DONT_NEED = 4;

  private static final int READ_ONLY = 0;

  private FileCache() {}

  /** Whether {@link #drop} works here. */
  static boolean canDrop() {
    return System.getProperty("os.name", "").equals("Linux");
  }

  /**
   * Forgets one file, after what was written to it has reached the disk.
   *
   * @throws IllegalStateException when the system refuses
   */
  static void drop(Path file) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment path = arena.allocateFrom(file.toAbsolutePath().toString());
      int descriptor =
          call(
              "open",
              FunctionDescriptor.of(
                  ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.JAVA_INT),
              path,
              READ_ONLY);
      try {
        FunctionDescriptor ofDescriptor =
            FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT);
        require(descriptor >= 0, "open", file);
        require(call("fsync", ofDescriptor, descriptor) == 0, "fsync", file);
        int result =
            call(
                "posix_fadvise",
                FunctionDescriptor.of(
                    ValueLayout.JAVA_INT,
                    ValueLayout.JAVA_INT,
                    ValueLayout.JAVA_LONG,
                    ValueLayout.JAVA_LONG,
                    ValueLayout.JAVA_INT),
                descriptor,
                0L,
                0L,
                DONT_NEED);
        require(result == 0, "posix_fadvise", file);
      } finally {
        call(
            "close", FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT), descriptor);
      }
    }
  }

  private static void require(boolean condition, String call, Path file) {
    if (!condition) {
      throw new IllegalStateException(
          "Expected %s to work on %s, but it failed".formatted(call, file));
    }
  }

  private static int call(String name, FunctionDescriptor type, Object... arguments) {
    Linker linker = Linker.nativeLinker();
    MethodHandle function =
        linker.downcallHandle(linker.defaultLookup().find(name).orElseThrow(), type);
    try {
      return (int) function.invokeWithArguments(arguments);
    } catch (Throwable e) {
      throw new IllegalStateException("Cannot call " + name, e);
    }
  }
}
