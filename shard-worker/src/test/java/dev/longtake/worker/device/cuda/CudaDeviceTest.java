package dev.longtake.worker.device.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.DeviceContract;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;

/** The contract through the real binding, with every kernel's own source executed on the host. */
final class CudaDeviceTest extends DeviceContract {
  @BeforeAll
  static void startDriver() {
    EmulatedCuda.reset("");
  }

  @AfterAll
  static void requireNothingLeft() {
    assertThat(EmulatedCuda.usedBytes()).isZero();
  }

  @Override
  protected Device open(int threads, long memoryLimitBytes) {
    return EmulatedCuda.open(memoryLimitBytes);
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
