package dev.longtake.worker.device.cuda.driver;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.worker.device.DeviceChoice;
import java.util.List;
import jcuda.driver.JCudaDriver;

/**
 * NVIDIA's driver on this host, for whoever checks it.
 *
 * @param version of CUDA that the driver has, as {@code "12.6"}
 * @param gpus in words
 */
public record DriverFacts(String version, List<String> gpus) {
  public DriverFacts {
    gpus = List.copyOf(gpus);
  }

  /** Whether there is a driver at all. */
  public static boolean isPresent() {
    return CudaLibrary.isPresent();
  }

  /**
   * Loads and starts the driver.
   *
   * @param choice a GPU that must be usable
   * @throws LongtakeException INVALID_REQUEST when driver or GPU can't be used
   */
  public static DriverFacts read(DeviceChoice.Cuda choice) {
    CudaLibrary.load();
    Gpu chosen = Gpus.choose(choice);
    int[] version = {0};
    JCudaDriver.cuDriverGetVersion(version);
    // 1000 times the major number and 10 times the minor one.
    return new DriverFacts(
        version[0] / 1000 + "." + version[0] % 1000 / 10,
        Gpus.list().stream()
            .map(gpu -> gpu.index() == chosen.index() ? gpu + " (chosen)" : gpu.toString())
            .toList());
  }
}
