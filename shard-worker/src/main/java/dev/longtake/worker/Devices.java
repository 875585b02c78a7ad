package dev.longtake.worker;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.DeviceChoice;
import dev.longtake.worker.device.cpu.CpuDevice;
import dev.longtake.worker.device.cuda.CudaDevice;
import java.lang.management.ManagementFactory;
import org.jspecify.annotations.Nullable;

/** The devices of this build. */
public final class Devices {
  private Devices() {}

  /**
   * Opens a device; the caller closes it.
   *
   * @param threads that compute, where it is the processor
   * @param memoryLimitBytes what it may use; null for what it has
   * @throws LongtakeException INVALID_REQUEST when it is not there or can't be used; OUT_OF_MEMORY
   */
  public static Device open(DeviceChoice choice, int threads, @Nullable Long memoryLimitBytes) {
    return switch (choice) {
      case DeviceChoice.Cpu _ ->
          CpuDevice.open(threads, memoryLimitBytes == null ? hostBytes() : memoryLimitBytes);
      case DeviceChoice.Cuda gpu -> CudaDevice.open(gpu, memoryLimitBytes);
    };
  }

  /** Threads of the host that a device's kernels keep busy; a GPU's are launched by one. */
  static int busyThreads(DeviceSettings settings) {
    return switch (settings.device()) {
      case DeviceChoice.Cpu _ -> settings.threads();
      case DeviceChoice.Cuda _ -> 1;
    };
  }

  private static long hostBytes() {
    var system =
        (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    // The heap and the rest of the process live in the same memory.
    return Math.max(1, system.getTotalMemorySize() - Runtime.getRuntime().maxMemory());
  }
}
