package dev.longtake.worker.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.longtake.v1.Precision;
import dev.longtake.worker.device.DeviceChoice;
import dev.longtake.worker.device.cuda.CudaDevice;
import dev.longtake.worker.device.cuda.EmulatedCuda;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Models on the CUDA device, with the kernels executed on the host, as close to the reference as on the processor. */
final class CudaConformanceTest {
  @BeforeAll
  static void startDriver() {
    assumeTrue(CudaDevice.class.getResource("kernels.fatbin") != null, "no nvcc on this machine");
  }

  /** Attention in space and time with heads of 72, with text in one sequence, with reduced keys; and the single functions. */
  @ParameterizedTest
  @CsvSource({
    "primitives, F32",
    "stdit_v3_hd72, F32",
    "stdit_v3_hd72, BF16",
    "mmdit_v2_liger_unfused, F32",
    "pixart_sigma, BF16",
    "sampler_iddpm_v10, F32",
  })
  void shouldMatchTheReference(String golden, String precision) {
    EmulatedCuda.reset("");
    List<RunReport> reports =
        new Conformance(
                1, Precision.valueOf("PRECISION_" + precision), new DeviceChoice.CudaIndex(0))
            .check(GoldenFolders.golden(golden));

    assertThat(reports)
        .isNotEmpty()
        .allSatisfy(report -> {
          assertThat(report.checks()).isNotEmpty();
          assertThat(report.failed()).as("%s", report).isFalse();
        });
    assertThat(EmulatedCuda.calls("cuLaunchKernel")).isPositive();
  }
}
