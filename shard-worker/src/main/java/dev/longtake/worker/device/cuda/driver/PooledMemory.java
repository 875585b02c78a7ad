package dev.longtake.worker.device.cuda.driver;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import jcuda.driver.CUresult;
import jcuda.driver.CUstream;
import jcuda.driver.JCudaDriver;

/**
 * Memory from the GPU's default pool, in the order of a stream. The pool keeps what is given back, so that an order's buffers cost the
 * driver nothing after the first time. The binding can allocate from pools, but not set them up; that goes to the driver itself.
 */
@SuppressWarnings("restricted") // calls of the driver
final class PooledMemory implements GpuMemory {
  /** CU_MEMPOOL_ATTR_RELEASE_THRESHOLD: bytes that the pool keeps when it is asked for nothing; all of them. */
  private static final int RELEASE_THRESHOLD = 4;

  private final CudaErrors errors;
  private final CUstream stream;
  private final MethodHandle trim;
  private final MemorySegment pool;

  PooledMemory(CudaErrors errors, CUstream stream, int device, SymbolLookup driver) {
    this.errors = errors;
    this.stream = stream;
    trim = function(driver, "cuMemPoolTrimTo", ValueLayout.ADDRESS, ValueLayout.JAVA_LONG);
    MethodHandle getPool =
        function(driver, "cuDeviceGetDefaultMemPool", ValueLayout.ADDRESS, ValueLayout.JAVA_INT);
    MethodHandle set =
        function(
            driver,
            "cuMemPoolSetAttribute",
            ValueLayout.ADDRESS,
            ValueLayout.JAVA_INT,
            ValueLayout.ADDRESS);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment place = arena.allocate(ValueLayout.ADDRESS);
      errors.check(
          (int) getPool.invokeExact(place, device), "find its pool (cuDeviceGetDefaultMemPool)");
      pool = place.get(ValueLayout.ADDRESS, 0);
      MemorySegment all = arena.allocateFrom(ValueLayout.JAVA_LONG, -1L);
      errors.check(
          (int) set.invokeExact(pool, RELEASE_THRESHOLD, all),
          "keep its memory (cuMemPoolSetAttribute)");
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable e) {
      throw new AssertionError("CUDA's functions throw nothing", e);
    }
  }

  private static MethodHandle function(
      SymbolLookup driver, String name, MemoryLayout... parameters) {
    return Linker.nativeLinker()
        .downcallHandle(
            driver.findOrThrow(name), FunctionDescriptor.of(ValueLayout.JAVA_INT, parameters));
  }

  @Override
  public long allocate(long sizeBytes) {
    CudaAddress address = new CudaAddress();
    int result = JCudaDriver.cuMemAllocAsync(address, sizeBytes, stream);
    if (result == CUresult.CUDA_ERROR_OUT_OF_MEMORY) {
      // What was given back may be in pieces; the driver can only join them outside of the pool.
      empty();
      result = JCudaDriver.cuMemAllocAsync(address, sizeBytes, stream);
    }
    if (result == CUresult.CUDA_ERROR_OUT_OF_MEMORY) {
      return 0;
    }
    errors.check(result, "allocate %d bytes (cuMemAllocAsync)".formatted(sizeBytes));
    return address.value();
  }

  private void empty() {
    errors.check(JCudaDriver.cuStreamSynchronize(stream), "finish its work (cuStreamSynchronize)");
    try {
      errors.check((int) trim.invokeExact(pool, 0L), "empty its pool (cuMemPoolTrimTo)");
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable e) {
      throw new AssertionError("CUDA's functions throw nothing", e);
    }
  }

  @Override
  public void free(long address) {
    errors.check(
        JCudaDriver.cuMemFreeAsync(CudaAddress.of(address), stream),
        "free memory (cuMemFreeAsync)");
  }
}
