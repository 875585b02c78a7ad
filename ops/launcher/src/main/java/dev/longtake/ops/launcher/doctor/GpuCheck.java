package dev.longtake.ops.launcher.doctor;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.worker.device.DeviceChoice;
import dev.longtake.worker.device.cuda.driver.DriverFacts;

/** NVIDIA's driver and the GPU that a worker is to use. */
final class GpuCheck {
  private static final String NAME = "gpu";

  private GpuCheck() {}

  static Finding of(String device) {
    try {
      return switch (DeviceChoice.parse(device)) {
        case DeviceChoice.Cpu _ ->
            DriverFacts.isPresent()
                ? Finding.ok(NAME, "not used: there is a driver, but --device is cpu")
                : Finding.skipped(NAME, "no NVIDIA driver, and none is needed for --device cpu");
        case DeviceChoice.Cuda gpu -> {
          DriverFacts driver = DriverFacts.read(gpu);
          yield Finding.ok(
              NAME, "CUDA %s, %s".formatted(driver.version(), String.join(", ", driver.gpus())));
        }
      };
    } catch (LongtakeException e) {
      return Finding.failed(NAME, e.getMessage(), "see that 'nvidia-smi' works for this user");
    }
  }
}
