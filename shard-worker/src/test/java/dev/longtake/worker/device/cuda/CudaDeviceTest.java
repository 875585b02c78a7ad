package dev.longtake.worker.device.cuda;

import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.DeviceContract;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Assumptions;

/** The contract, with every kernel's own source executed on the host. */
final class CudaDeviceTest extends DeviceContract {
  @Override
  protected Device open(int threads, long memoryLimitBytes) {
    Path library = Path.of(System.getProperty("longtake.cuda.emulation", ""));
    Assumptions.assumeTrue(
        Files.isRegularFile(library),
        "no g++ on this machine, so the CUDA kernels were not compiled for the host");
    return new CudaDevice(new EmulatedDriver(library), memoryLimitBytes);
  }

  @Override
  protected int roundsUntilCompiled() {
    return 2;
  }

  /** Inputs and probabilities are rounded to bfloat16, too. */
  @Override
  protected double bfloatAttentionTolerance() {
    return 1.5e-2;
  }
}
