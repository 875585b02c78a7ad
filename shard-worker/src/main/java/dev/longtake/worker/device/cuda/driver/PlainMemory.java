package dev.longtake.worker.device.cuda.driver;

import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;

/** For GPUs without pools: the driver waits for all work at each call that frees. */
final class PlainMemory implements GpuMemory {
  private final CudaErrors errors;

  PlainMemory(CudaErrors errors) {
    this.errors = errors;
  }

  @Override
  public long allocate(long sizeBytes) {
    CudaAddress address = new CudaAddress();
    int result = JCudaDriver.cuMemAlloc(address, sizeBytes);
    if (result == CUresult.CUDA_ERROR_OUT_OF_MEMORY) {
      return 0;
    }
    errors.check(result, "allocate %d bytes (cuMemAlloc)".formatted(sizeBytes));
    return address.value();
  }

  @Override
  public void free(long address) {
    errors.check(JCudaDriver.cuMemFree(CudaAddress.of(address)), "free memory (cuMemFree)");
  }
}
