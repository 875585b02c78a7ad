package dev.longtake.worker.device.cuda.driver;

import jcuda.driver.CUdevice;

/**
 * A GPU of this host.
 *
 * @param index as CUDA counts them
 * @param uuid 32 hexadecimal digits in five groups
 * @param capability compute capability, ten times the major number plus the minor one
 * @param hasPools whether memory can be allocated in the order of a stream
 */
record Gpu(
    CUdevice handle,
    int index,
    String name,
    String uuid,
    int capability,
    int multiprocessors,
    boolean hasPools) {
  /** {@code "9.0"}. */
  String capabilityText() {
    return capability / 10 + "." + capability % 10;
  }

  /** {@code "cuda:0 (NVIDIA H100, GPU-...)"}. */
  @Override
  public String toString() {
    return "cuda:%d (%s, GPU-%s)".formatted(index, name, uuid);
  }
}
