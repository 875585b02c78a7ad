package dev.longtake.worker.device.cuda.driver;

import jcuda.driver.CUdeviceptr;

/** An address on the GPU as the binding has it; it keeps the number to itself, except from its heirs. */
final class CudaAddress extends CUdeviceptr {
  /** The number that the driver has put here. */
  long value() {
    return getNativePointer() + getByteOffset();
  }

  /** What the binding takes for a number. */
  static CUdeviceptr of(long address) {
    return new CUdeviceptr().withByteOffset(address);
  }
}
