package dev.longtake.worker.device.cuda;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;

/** The kernels' own sources, compiled by g++, in place of a GPU. A launch has ended when it returns. */
@SuppressWarnings("restricted") // native memory and calls are what this class is for
final class EmulatedDriver implements CudaDriver {
  private final MethodHandle allocate;
  private final MethodHandle free;
  private final MethodHandle launch;
  private long openBytes;

  EmulatedDriver(Path library) {
    SymbolLookup symbols = SymbolLookup.libraryLookup(library, Arena.global());
    allocate =
        handle(
            symbols,
            "emulatedAllocate",
            FunctionDescriptor.of(ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG));
    free =
        handle(
            symbols,
            "emulatedFree",
            FunctionDescriptor.of(
                ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG));
    launch =
        handle(
            symbols,
            "emulatedLaunch",
            FunctionDescriptor.of(
                ValueLayout.ADDRESS,
                ValueLayout.ADDRESS,
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_INT,
                ValueLayout.ADDRESS));
  }

  private static MethodHandle handle(SymbolLookup symbols, String name, FunctionDescriptor type) {
    return Linker.nativeLinker().downcallHandle(symbols.findOrThrow(name), type);
  }

  @Override
  public String detail() {
    return "kernels on the host";
  }

  @Override
  public int multiprocessors() {
    return 1;
  }

  @Override
  public synchronized long allocate(long sizeBytes) {
    try {
      openBytes += sizeBytes;
      return (long) allocate.invokeExact(sizeBytes);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  @Override
  public synchronized void free(long address, long sizeBytes) {
    int damaged;
    try {
      damaged = (int) free.invokeExact(address, sizeBytes);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
    openBytes -= sizeBytes;
    if (damaged != 0) {
      throw new AssertionError("a kernel wrote outside of a buffer of " + sizeBytes + " bytes");
    }
  }

  @Override
  public void upload(MemorySegment host, long address, long pitchBytes, long rowBytes, int rows) {
    MemorySegment device = at(address, pitchBytes, rowBytes, rows);
    for (int row = 0; row < rows; row++) {
      MemorySegment.copy(host, row * rowBytes, device, row * pitchBytes, rowBytes);
    }
  }

  @Override
  public void download(long address, long pitchBytes, MemorySegment host, long rowBytes, int rows) {
    MemorySegment device = at(address, pitchBytes, rowBytes, rows);
    for (int row = 0; row < rows; row++) {
      MemorySegment.copy(device, row * pitchBytes, host, row * rowBytes, rowBytes);
    }
  }

  private static MemorySegment at(long address, long pitchBytes, long rowBytes, int rows) {
    return MemorySegment.ofAddress(address).reinterpret((rows - 1) * pitchBytes + rowBytes);
  }

  @Override
  public void launch(String kernel, int gridX, int gridY, int threads, MemorySegment arguments) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment name = arena.allocateFrom(kernel);
      var failure = (MemorySegment) launch.invokeExact(name, gridX, gridY, threads, arguments);
      if (failure.address() != 0) {
        throw new AssertionError(kernel + ": " + failure.reinterpret(Long.MAX_VALUE).getString(0));
      }
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  @Override
  public synchronized void close() {
    if (openBytes != 0) {
      throw new AssertionError(openBytes + " bytes were not freed");
    }
  }
}
