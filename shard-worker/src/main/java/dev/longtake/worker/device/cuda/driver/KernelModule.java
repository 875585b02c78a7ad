package dev.longtake.worker.device.cuda.driver;

import java.util.HashMap;
import java.util.Map;
import jcuda.driver.CUfunction;
import jcuda.driver.CUmodule;
import jcuda.driver.JCudaDriver;

/** The kernels of a fat binary on one GPU. For one thread at a time. */
final class KernelModule implements AutoCloseable {
  private final CudaErrors errors;
  private final CUmodule module;
  private final Map<String, CUfunction> kernels = new HashMap<>();

  /** Owns the module. */
  KernelModule(CudaErrors errors, CUmodule module) {
    this.errors = errors;
    this.module = module;
  }

  CUfunction kernel(String name) {
    return kernels.computeIfAbsent(name, this::find);
  }

  private CUfunction find(String name) {
    CUfunction found = new CUfunction();
    errors.check(
        JCudaDriver.cuModuleGetFunction(found, module, name),
        "find the kernel %s (cuModuleGetFunction)".formatted(name));
    return found;
  }

  @Override
  public void close() {
    var _ = JCudaDriver.cuModuleUnload(module);
  }
}
