package dev.longtake.worker.device.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.DeviceChoice;
import dev.longtake.worker.device.DeviceContract;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;

/**
 * The contract through the real binding, with every kernel's own source executed on the host; or on a GPU, where one is named by
 * {@code -Dlongtake.gpu=cuda:0}.
 */
final class CudaDeviceTest extends DeviceContract {
  private static final @Nullable String GPU = System.getProperty("longtake.gpu");

  @BeforeAll
  static void startDriver() {
    if (GPU == null) {
      EmulatedCuda.reset("");
    }
  }

  @AfterAll
  static void requireNothingLeft() {
    if (GPU == null) {
      assertThat(EmulatedCuda.usedBytes()).isZero();
    }
  }

  @Override
  protected Device open(int threads, long memoryLimitBytes) {
    return GPU == null
        ? EmulatedCuda.open(memoryLimitBytes)
        : CudaDevice.open((DeviceChoice.Cuda) DeviceChoice.parse(GPU), memoryLimitBytes);
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
