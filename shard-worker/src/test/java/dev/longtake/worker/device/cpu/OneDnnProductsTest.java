package dev.longtake.worker.device.cpu;

import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.ProductContract;

/** oneDNN's products, on processors too that use others. */
final class OneDnnProductsTest extends ProductContract {
  @Override
  protected Device open(int threads, long memoryLimitBytes) {
    return CpuDevice.open(threads, memoryLimitBytes, ProductsKind.ONEDNN);
  }
}
