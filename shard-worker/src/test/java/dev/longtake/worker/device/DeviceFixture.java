package dev.longtake.worker.device;

import dev.longtake.common.tensor.DType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/** Opens the device under test; closing it after each test finds what the test did not give back. */
abstract class DeviceFixture {
  static final long LIMIT_BYTES = 256L << 20;

  Lab lab;
  Device device;

  /** A new device of the kind under test. */
  protected abstract Device open(int threads, long memoryLimitBytes);

  @BeforeEach
  void openDevice() {
    lab = new Lab(open(3, LIMIT_BYTES), 20240607);
    device = lab.device;
  }

  @AfterEach
  void closeDevice() {
    lab.close();
  }

  /** Input types that this machine can multiply. */
  protected final DType[] inputTypes() {
    return device.supports(DType.BF16)
        ? new DType[] {DType.F32, DType.BF16}
        : new DType[] {DType.F32};
  }
}
