package dev.longtake.worker.device.cuda;

import dev.longtake.worker.device.AccountedMemory;
import dev.longtake.worker.device.Checks;
import dev.longtake.worker.device.DeviceBuffer;
import dev.longtake.worker.device.cuda.driver.CudaDriver;
import org.jspecify.annotations.Nullable;

/** Memory of one GPU. */
final class CudaMemory extends AccountedMemory<CudaBuffer> {
  private final CudaDriver driver;

  CudaMemory(CudaDriver driver, long limitBytes) {
    super(limitBytes);
    this.driver = driver;
  }

  @Override
  protected @Nullable CudaBuffer obtain(long sizeBytes, String tag) {
    // CUDA has no memory of size 0, and a view without elements never reads any.
    long address = driver.allocate(Math.max(1, sizeBytes));
    return address == 0 ? null : new CudaBuffer(this, address, sizeBytes, tag);
  }

  @Override
  protected String source() {
    return "the GPU";
  }

  /** Takes a buffer out of the account and gives its memory back. */
  void free(CudaBuffer buffer, long address) {
    release(buffer, () -> driver.free(address));
  }

  /** Where a buffer of this device is. */
  long address(DeviceBuffer buffer) {
    if (!(buffer instanceof CudaBuffer own) || own.memory() != this) {
      throw Checks.refused("a buffer of this device", buffer.getClass().getSimpleName());
    }
    return own.address();
  }
}
