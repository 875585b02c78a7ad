package dev.longtake.worker.device.cuda.driver;

import java.lang.foreign.AddressLayout;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.NoSuchElementException;
import java.util.Optional;

/**
 * What NVIDIA's management library knows of a GPU that the driver does not tell: how busy it is. It comes with the driver, but a container may
 * lack it, and then nothing is known. Loaded until the process ends. Thread-safe.
 */
public final class Nvml {
  private static final String LIBRARY = "libnvidia-ml.so.1";
  private static final int SUCCESS = 0;
  private static final double PERCENT = 100;
  private static final AddressLayout POINTER = ValueLayout.ADDRESS;

  /** {@code nvmlUtilization_t}: percent of the library's last sample period in which a kernel ran, and memory was accessed. */
  private static final MemoryLayout UTILIZATION =
      MemoryLayout.structLayout(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT);

  private final MethodHandle getUtilization;
  private final MemorySegment device;

  private Nvml(MethodHandle getUtilization, MemorySegment device) {
    this.getUtilization = getUtilization;
    this.device = device;
  }

  /**
   * Looks for a GPU; empty where the library is missing or does not know it.
   *
   * @param uuid as nvidia-smi prints it, {@code GPU-...}
   */
  @SuppressWarnings("restricted") // a native library is what this class is for
  public static Optional<Nvml> of(String uuid) {
    try {
      return of(SymbolLookup.libraryLookup(LIBRARY, Arena.global()), uuid);
    } catch (IllegalArgumentException e) {
      return Optional.empty();
    }
  }

  /** As the other one, in a library that is given. */
  static Optional<Nvml> of(SymbolLookup library, String uuid) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment found = arena.allocate(POINTER);
      if ((int) function(library, "nvmlInit_v2").invokeExact() != SUCCESS
          || (int)
                  function(library, "nvmlDeviceGetHandleByUUID", POINTER, POINTER)
                      .invokeExact(arena.allocateFrom(uuid), found)
              != SUCCESS) {
        return Optional.empty();
      }
      return Optional.of(
          new Nvml(
              function(library, "nvmlDeviceGetUtilizationRates", POINTER, POINTER),
              found.get(POINTER, 0)));
    } catch (NoSuchElementException e) {
      // An older library than this class needs.
      return Optional.empty();
    } catch (Throwable e) {
      throw new LinkageError("Calling " + LIBRARY + " failed", e);
    }
  }

  @SuppressWarnings("restricted") // as above
  private static MethodHandle function(
      SymbolLookup library, String name, MemoryLayout... parameters) {
    return Linker.nativeLinker()
        .downcallHandle(
            library.findOrThrow(name), FunctionDescriptor.of(ValueLayout.JAVA_INT, parameters));
  }

  /** Of the last sample period, between a sixth of a second and a second, the part in which a kernel ran; NaN when the library can't say. */
  public double utilization() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment rates = arena.allocate(UTILIZATION);
      int status = (int) getUtilization.invokeExact(device, rates);
      return status == SUCCESS ? rates.get(ValueLayout.JAVA_INT, 0) / PERCENT : Double.NaN;
    } catch (Throwable e) {
      throw new LinkageError("Calling " + LIBRARY + " failed", e);
    }
  }
}
