package dev.longtake.worker.device.cuda.driver;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.worker.device.DeviceChoice;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.util.ArrayDeque;
import java.util.Deque;
import jcuda.Pointer;
import jcuda.driver.CUcontext;
import jcuda.driver.CUctx_flags;
import jcuda.driver.CUmodule;
import jcuda.driver.CUresult;
import jcuda.driver.CUstream;
import jcuda.driver.CUstream_flags;
import jcuda.driver.JCudaDriver;

/**
 * What the CUDA device needs of a driver, on one GPU: memory, copies, and launches by a kernel's name. Everything that was asked for
 * takes effect in the order of the calls, on one stream. For any thread; kernels and copies by one thread at a time.
 *
 * <p>A failure is a {@link LongtakeException} that names the operation and CUDA's own name of the error: OUT_OF_MEMORY, INTERNAL, or
 * DEVICE_LOST, which every later call repeats at once. Kernels run later than their launch, so theirs may come out of any call after it.
 */
public final class CudaDriver implements AutoCloseable {
  private final Gpu gpu;
  private final CudaErrors errors;
  private final Deque<Runnable> undo = new ArrayDeque<>();
  private final CUcontext context = new CUcontext();
  private final CUstream stream = new CUstream();
  private final int driverVersion;
  private final KernelModule kernels;
  private final GpuMemory memory;
  private final Copies copies;

  private CudaDriver(Gpu gpu, byte[] module, SymbolLookup driver) {
    this.gpu = gpu;
    errors = new CudaErrors(gpu.toString());
    driverVersion = driverVersion();
    try {
      openContext();
      kernels = new KernelModule(errors, load(module));
      undo.push(kernels::close);
      errors.check(
          JCudaDriver.cuStreamCreate(stream, CUstream_flags.CU_STREAM_NON_BLOCKING),
          "make a stream (cuStreamCreate)");
      undo.push(() -> JCudaDriver.cuStreamDestroy(stream));
      memory =
          gpu.hasPools()
              ? new PooledMemory(errors, stream, gpu.index(), driver)
              : new PlainMemory(errors);
      copies = new Copies(errors, stream);
      undo.push(copies::close);
    } catch (Throwable e) {
      undoAll();
      throw e;
    }
  }

  /**
   * Opens a GPU.
   *
   * @param module a fat binary with the kernels
   * @throws LongtakeException INVALID_REQUEST where there is no driver, no such GPU, it is in use by another process alone, or it or
   *     the driver is too old for the module; OUT_OF_MEMORY
   */
  public static CudaDriver open(DeviceChoice.Cuda choice, byte[] module) {
    SymbolLookup driver = CudaLibrary.load();
    return new CudaDriver(Gpus.choose(choice), module, driver);
  }

  private int driverVersion() {
    int[] version = {0};
    errors.check(JCudaDriver.cuDriverGetVersion(version), "name its driver (cuDriverGetVersion)");
    return version[0];
  }

  private void openContext() {
    // A thread that waits for the GPU leaves the processor to others. This fails harmlessly where
    // another library of the process has the context already.
    var _ =
        JCudaDriver.cuDevicePrimaryCtxSetFlags(
            gpu.handle(), CUctx_flags.CU_CTX_SCHED_BLOCKING_SYNC);
    int result = JCudaDriver.cuDevicePrimaryCtxRetain(context, gpu.handle());
    if (result == CUresult.CUDA_ERROR_DEVICE_UNAVAILABLE) {
      throw LongtakeException.invalidField(
          "--device",
          "Expected %s to be free, but CUDA says %s: another process has it for itself alone, or nobody may compute on it (compute mode); end that process, set the mode with nvidia-smi -c 0, or choose another GPU"
              .formatted(gpu, CudaErrors.name(result)));
    }
    errors.check(result, "open (cuDevicePrimaryCtxRetain)");
    undo.push(() -> JCudaDriver.cuDevicePrimaryCtxRelease(gpu.handle()));
    useHere();
  }

  private CUmodule load(byte[] image) {
    CUmodule module = new CUmodule();
    int result = JCudaDriver.cuModuleLoadData(module, image);
    switch (result) {
      case CUresult.CUDA_ERROR_INVALID_IMAGE,
          CUresult.CUDA_ERROR_NO_BINARY_FOR_GPU,
          CUresult.CUDA_ERROR_UNSUPPORTED_PTX_VERSION,
          CUresult.CUDA_ERROR_SYSTEM_DRIVER_MISMATCH ->
          throw LongtakeException.invalidField(
              "--device",
              "Expected a driver that can load this build's kernels on %s (compute capability %s), but that for CUDA %s says %s; install a driver that is as new as the nvcc of the build"
                  .formatted(
                      gpu, gpu.capabilityText(), driverVersionText(), CudaErrors.name(result)));
      default -> errors.check(result, "load the kernels (cuModuleLoadData)");
    }
    return module;
  }

  private String driverVersionText() {
    return driverVersion / 1000 + "." + driverVersion % 1000 / 10;
  }

  /** The calling thread may never have seen this GPU; those that have lose little. */
  private void useHere() {
    errors.check(JCudaDriver.cuCtxSetCurrent(context), "serve this thread (cuCtxSetCurrent)");
  }

  private void begin() {
    errors.requireAlive();
    useHere();
  }

  /** One line for people: the GPU, and what it has. */
  public String detail() {
    return "%s, compute capability %s, %d multiprocessors, driver for CUDA %s"
        .formatted(gpu.name(), gpu.capabilityText(), gpu.multiprocessors(), driverVersionText());
  }

  /** As nvidia-smi prints it. */
  public String uuid() {
    return "GPU-" + gpu.uuid();
  }

  /** Of the GPU. */
  public int multiprocessors() {
    return gpu.multiprocessors();
  }

  /** What is free on the GPU now, whoever has the rest. */
  public long freeBytes() {
    begin();
    long[] free = {0};
    long[] total = {0};
    errors.check(JCudaDriver.cuMemGetInfo(free, total), "count its memory (cuMemGetInfo)");
    return free[0];
  }

  /**
   * Zeroed memory, aligned to 256 bytes.
   *
   * @param sizeBytes above 0
   * @return its address; 0 where the GPU has no more
   */
  public long allocate(long sizeBytes) {
    begin();
    long address = memory.allocate(sizeBytes);
    if (address == 0) {
      return 0;
    }
    try {
      errors.check(
          JCudaDriver.cuMemsetD8Async(CudaAddress.of(address), (byte) 0, sizeBytes, stream),
          "clear %d bytes (cuMemsetD8Async)".formatted(sizeBytes));
    } catch (Throwable e) {
      free(address);
      throw e;
    }
    return address;
  }

  /** Frees what {@link #allocate} returned; on a GPU that is lost there is nothing to free any more. */
  public void free(long address) {
    if (!errors.isLost()) {
      useHere();
      memory.free(address);
    }
  }

  /**
   * Copies dense rows from the host, which may be used again on return.
   *
   * @param pitchBytes from one row to the next at {@code address}, at least {@code rowBytes}
   * @param rows at least 1, as {@code rowBytes}
   */
  public void upload(MemorySegment host, long address, long pitchBytes, long rowBytes, int rows) {
    begin();
    copies.upload(host, address, pitchBytes, rowBytes, rows);
  }

  /** Copies rows to the host, where they are dense, and waits for it. */
  public void download(long address, long pitchBytes, MemorySegment host, long rowBytes, int rows) {
    begin();
    copies.download(address, pitchBytes, host, rowBytes, rows);
  }

  /**
   * Launches a kernel.
   *
   * @param arguments C's {@code void *[]}, an address for each argument of the kernel; read during the call
   */
  public void launch(String kernel, int gridX, int gridY, int threads, MemorySegment arguments) {
    begin();
    errors.launching(kernel);
    int result =
        JCudaDriver.cuLaunchKernel(
            kernels.kernel(kernel),
            gridX,
            gridY,
            1,
            threads,
            1,
            1,
            /* sharedMemBytes= */ 0,
            stream,
            Pointer.to(arguments.asByteBuffer()),
            /* extra= */ null);
    errors.check(
        result,
        "launch %s on %d x %d blocks of %d threads (cuLaunchKernel)"
            .formatted(kernel, gridX, gridY, threads));
  }

  /** Waits until everything that was asked for has been done. */
  public void synchronize() {
    begin();
    errors.check(JCudaDriver.cuStreamSynchronize(stream), "finish its work (cuStreamSynchronize)");
  }

  /**
   * Waits for what runs and gives the GPU back.
   *
   * @throws LongtakeException DEVICE_LOST when that is found now; all is given back nevertheless
   */
  @Override
  public void close() {
    try {
      if (!errors.isLost()) {
        synchronize();
      }
    } finally {
      undoAll();
    }
  }

  private void undoAll() {
    while (!undo.isEmpty()) {
      undo.pop().run();
    }
  }
}
