package dev.longtake.worker.device.cuda;

import dev.longtake.worker.device.DeviceChoice;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Assumptions;

/** The emulated driver in this process: as it is loaded first, the binding takes it for NVIDIA's. One test at a time. */
@SuppressWarnings("restricted") // native calls are what this class is for
public final class EmulatedCuda {
  /** What the emulated driver takes for a module; it has the kernels itself. */
  static final byte[] MODULE = {0x50, (byte) 0xED, 0x55, (byte) 0xBA};

  private EmulatedCuda() {}

  /** The functions that tests steer it with. */
  private static final class Functions {
    static final MethodHandle RESET;
    static final MethodHandle USED_BYTES;
    static final MethodHandle CALLS;

    static {
      SymbolLookup library = SymbolLookup.libraryLookup(library(), Arena.global());
      RESET = function(library, "emulatedCudaReset", null, ValueLayout.ADDRESS);
      USED_BYTES = function(library, "emulatedCudaUsedBytes", ValueLayout.JAVA_LONG);
      CALLS = function(library, "emulatedCudaCalls", ValueLayout.JAVA_INT, ValueLayout.ADDRESS);
    }

    private static MethodHandle function(
        SymbolLookup library,
        String name,
        @Nullable MemoryLayout result,
        MemoryLayout... parameters) {
      return Linker.nativeLinker()
          .downcallHandle(
              library.findOrThrow(name),
              result == null
                  ? FunctionDescriptor.ofVoid(parameters)
                  : FunctionDescriptor.of(result, parameters));
    }
  }

  private static Path library() {
    return Path.of(System.getProperty("longtake.cuda.emulation", ""));
  }

  /**
   * Sets the driver up anew, or skips the test where there is no g++.
   *
   * @param setup as emulated_gpu.cpp has it, for example {@code "gpus=2 fault=cuStreamCreate:1:999"}
   */
  public static void reset(String setup) {
    Assumptions.assumeTrue(
        Files.isRegularFile(library()),
        "no g++ on this machine, so the CUDA kernels were not compiled for the host");
    try (Arena arena = Arena.ofConfined()) {
      Functions.RESET.invokeExact(arena.allocateFrom(setup));
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  /** The library's functions, those of NVIDIA's management library included. */
  public static SymbolLookup symbols() {
    return SymbolLookup.libraryLookup(library(), Arena.global());
  }

  /** A device on the first emulated GPU; the caller closes it. */
  public static CudaDevice open(long memoryLimitBytes) {
    return CudaDevice.open(new DeviceChoice.CudaIndex(0), MODULE, memoryLimitBytes);
  }

  /** Bytes that are allocated on all GPUs now. */
  static long usedBytes() {
    try {
      return (long) Functions.USED_BYTES.invokeExact();
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  /** How often a function was called, or a kernel launched, since the last reset. */
  public static int calls(String name) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment text = arena.allocateFrom(name);
      return (int) Functions.CALLS.invokeExact(text);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }
}
