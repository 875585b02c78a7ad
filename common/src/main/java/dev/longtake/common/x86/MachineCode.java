package dev.longtake.common.x86;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * Pages of a program's own code, for as long as the process lives. They are written first and made executable afterwards, and
 * are never both.
 */
@SuppressWarnings("restricted") // native memory and calls are what this class is for
public final class MachineCode {
  // Values of Linux's sys/mman.h.
  private static final int READ = 1;
  private static final int WRITE = 2;
  private static final int EXECUTE = 4;
  private static final int PRIVATE_ANONYMOUS = 0x22;
  private static final long FAILED = -1;

  private static final Linker LINKER = Linker.nativeLinker();

  private final MemorySegment pages;

  private MachineCode(MemorySegment pages) {
    this.pages = pages;
  }

  /**
   * Puts code where the processor may run it.
   *
   * @throws UnsupportedOperationException where the system refuses, as hardened ones do, or is not Linux on x86-64
   */
  public static MachineCode of(byte[] code) {
    if (!System.getProperty("os.name").equals("Linux")
        || !System.getProperty("os.arch").equals("amd64")) {
      throw new UnsupportedOperationException("the code is for Linux on x86-64");
    }
    MemorySegment pages = map(code.length);
    MemorySegment.copy(code, 0, pages, ValueLayout.JAVA_BYTE, 0, code.length);
    if (!protect(pages)) {
      unmap(pages);
      throw new UnsupportedOperationException("the system lets no memory become executable");
    }
    return new MachineCode(pages);
  }

  /** Calls a function of this type, which is the first argument. */
  public static MethodHandle caller(FunctionDescriptor type, Linker.Option... options) {
    return LINKER.downcallHandle(type, options);
  }

  /** The function that starts {@code position} bytes from the start. */
  public MemorySegment function(int position) {
    return pages.asSlice(position);
  }

  private static MemorySegment map(long sizeBytes) {
    FunctionDescriptor type =
        FunctionDescriptor.of(
            ValueLayout.ADDRESS,
            ValueLayout.ADDRESS,
            ValueLayout.JAVA_LONG,
            ValueLayout.JAVA_INT,
            ValueLayout.JAVA_INT,
            ValueLayout.JAVA_INT,
            ValueLayout.JAVA_LONG);
    try {
      MemorySegment pages =
          (MemorySegment)
              system("mmap", type)
                  .invokeExact(
                      MemorySegment.NULL, sizeBytes, READ | WRITE, PRIVATE_ANONYMOUS, -1, 0L);
      if (pages.address() == FAILED) {
        throw new UnsupportedOperationException("the system gives no memory for code");
      }
      return pages.reinterpret(sizeBytes);
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable e) {
      throw new AssertionError("mmap throws nothing", e);
    }
  }

  /** Makes pages executable instead of writable; false where the system refuses. */
  private static boolean protect(MemorySegment pages) {
    FunctionDescriptor type =
        FunctionDescriptor.of(
            ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.JAVA_LONG, ValueLayout.JAVA_INT);
    try {
      int access = READ | EXECUTE;
      return (int) system("mprotect", type).invokeExact(pages, pages.byteSize(), access) == 0;
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable e) {
      throw new AssertionError("mprotect throws nothing", e);
    }
  }

  private static void unmap(MemorySegment pages) {
    FunctionDescriptor type =
        FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.JAVA_LONG);
    try {
      var _ = (int) system("munmap", type).invokeExact(pages, pages.byteSize());
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable e) {
      throw new AssertionError("munmap throws nothing", e);
    }
  }

  private static MethodHandle system(String name, FunctionDescriptor type) {
    return LINKER.downcallHandle(
        LINKER
            .defaultLookup()
            .find(name)
            .orElseThrow(() -> new UnsupportedOperationException("the system has no " + name)),
        type);
  }
}
