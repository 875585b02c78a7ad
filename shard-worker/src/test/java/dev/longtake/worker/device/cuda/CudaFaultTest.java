package dev.longtake.worker.device.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.DeviceBuffer;
import dev.longtake.worker.device.DeviceChoice;
import dev.longtake.worker.device.DeviceMemory;
import dev.longtake.worker.device.Matrix;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What goes wrong between the device and CUDA's driver, and what is said about it. */
final class CudaFaultTest {
  private static final long LIMIT_BYTES = 64L << 20;
  private static final String FIRST =
      "cuda:0 (Emulated GPU, GPU-e0e0e0e0-e0e0-e0e0-e0e0-e0e0e0e0e000)";
  private static final String SECOND_UUID = "e0e0e0e0-e0e0-e0e0-e0e0-e0e0e0e0e001";

  private static CudaDevice open(DeviceChoice.Cuda choice) {
    return CudaDevice.open(choice, EmulatedCuda.MODULE, LIMIT_BYTES);
  }

  private static CudaDevice open() {
    return open(new DeviceChoice.CudaIndex(0));
  }

  private static LongtakeException failure(Runnable work) {
    return catchThrowableOfType(LongtakeException.class, work::run);
  }

  /** Nothing of a device that could not be opened may stay. */
  private static LongtakeException refusal(DeviceChoice.Cuda choice) {
    LongtakeException refusal = failure(() -> open(choice).close());
    assertThat(refusal.getMessage()).hasLineCount(1).startsWith("Expected ");
    assertThat(EmulatedCuda.usedBytes()).isZero();
    return refusal;
  }

  @Test
  void shouldOpenTheGpuThatIsNamed() {
    EmulatedCuda.reset("gpus=3");
    try (CudaDevice first = open();
        CudaDevice second = open(new DeviceChoice.CudaUuid(SECOND_UUID));
        CudaDevice third = open(new DeviceChoice.CudaIndex(2))) {
      assertThat(first.uuid()).isEqualTo("GPU-e0e0e0e0-e0e0-e0e0-e0e0-e0e0e0e0e000");
      assertThat(second.uuid()).isEqualTo("GPU-" + SECOND_UUID);
      assertThat(third.uuid()).endsWith("002");
      assertThat(first.detail())
          .isEqualTo(
              "Emulated GPU, compute capability 9.0, 1 multiprocessors, driver for CUDA 13.0");
    }
  }

  @Test
  void shouldListTheGpusWhenThereIsNoSuchOne() {
    EmulatedCuda.reset("gpus=2");
    assertThat(refusal(new DeviceChoice.CudaIndex(2)))
        .hasMessageContaining("there is no cuda:2; there is " + FIRST + ", cuda:1 (Emulated GPU");
    String unknown = SECOND_UUID.replace("001", "0ff");
    LongtakeException refusal = refusal(new DeviceChoice.CudaUuid(unknown));
    assertThat(refusal).hasMessageContaining("there is no cuda:GPU-" + unknown);
    assertThat(refusal.code()).isEqualTo(ErrorCode.INVALID_REQUEST);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "gpus=0 | CUDA_ERROR_NO_DEVICE (100) | CUDA_VISIBLE_DEVICES",
        "capability=75 | has 7.5 | compute capability 8.0 or newer",
        "fault=cuInit:1:803 | CUDA_ERROR_SYSTEM_DRIVER_MISMATCH (803) | nvidia-smi",
        "fault=cuDevicePrimaryCtxRetain:1:46 | CUDA_ERROR_DEVICE_UNAVAILABLE (46) | to be free",
        "driver=12040 fault=cuModuleLoadData:1:222 | that for CUDA 12.4 says"
            + " CUDA_ERROR_UNSUPPORTED_PTX_VERSION (222) | install a driver",
        "fault=cuModuleLoadData:1:209 | CUDA_ERROR_NO_BINARY_FOR_GPU (209) | install a driver",
      })
  void shouldSayWhatToDoWhenTheGpuCannotBeUsed(String setup, String what, String advice) {
    EmulatedCuda.reset(setup);
    LongtakeException refusal = refusal(new DeviceChoice.CudaIndex(0));
    assertThat(refusal.code()).isEqualTo(ErrorCode.INVALID_REQUEST);
    assertThat(refusal).hasMessageContaining(what).hasMessageContaining(advice);
  }

  @Test
  void shouldRefuseWhatIsNoModule() {
    EmulatedCuda.reset("");
    LongtakeException refusal =
        failure(() ->
            CudaDevice.open(new DeviceChoice.CudaIndex(0), new byte[64], LIMIT_BYTES).close());
    assertThat(refusal).hasMessageContaining("CUDA_ERROR_INVALID_IMAGE (200)");
  }

  @Test
  void shouldSayHowToBuildWhenTheBuildHasNoKernels() {
    LongtakeException refusal = failure(() -> KernelBinary.read(null));
    assertThat(refusal.code()).isEqualTo(ErrorCode.INVALID_REQUEST);
    assertThat(refusal).hasMessageContaining("made without nvcc").hasMessageContaining("cpu");
  }

  /** Every call on the way to an open device. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "cuDriverGetVersion",
        "cuDeviceGetCount",
        "cuDeviceGet",
        "cuDeviceGetName",
        "cuDeviceGetUuid",
        "cuDeviceGetAttribute",
        "cuDevicePrimaryCtxRetain",
        "cuCtxSetCurrent",
        "cuModuleLoadData",
        "cuStreamCreate",
        "cuDeviceGetDefaultMemPool",
        "cuMemPoolSetAttribute",
        "cuMemHostAlloc",
        "cuEventCreate",
      })
  void shouldGiveEverythingBackWhenOpeningFails(String call) {
    EmulatedCuda.reset("fault=" + call + ":1:999");
    LongtakeException refusal = refusal(new DeviceChoice.CudaIndex(0));
    assertThat(refusal).hasMessageContaining("CUDA_ERROR_UNKNOWN (999)");
    assertThat(EmulatedCuda.calls("cuStreamDestroy"))
        .as("streams, of which the one that failed never was")
        .isEqualTo(call.equals("cuStreamCreate") ? 0 : EmulatedCuda.calls("cuStreamCreate"));
    assertThat(EmulatedCuda.calls("cuDevicePrimaryCtxRelease"))
        .as("contexts")
        .isEqualTo(
            call.equals("cuDevicePrimaryCtxRetain")
                ? 0
                : EmulatedCuda.calls("cuDevicePrimaryCtxRetain"));
    assertThat(EmulatedCuda.calls("cuMemFreeHost"))
        .as("pinned memory")
        .isEqualTo(EmulatedCuda.calls("cuMemHostAlloc") - (call.equals("cuMemHostAlloc") ? 1 : 0));
    EmulatedCuda.reset("");
    open().close();
  }

  @Test
  void shouldFailAtOnceAfterAFaultThatNothingSurvives() {
    EmulatedCuda.reset("fault=noise:2:700");
    try (CudaDevice device = open()) {
      DeviceBuffer buffer = device.memory().allocate(64, "test");
      Matrix values = Matrix.dense(buffer, 4, 4, DType.F32);
      device.noise(values, 1, 2, 0);
      device.finish();
      device.noise(values, 1, 2, 0);
      // The launch has only been queued: the fault shows in whatever waits first.
      LongtakeException first = failure(() -> device.download(values, host(16)));
      assertThat(first.code()).isEqualTo(ErrorCode.DEVICE_LOST);
      assertThat(first)
          .hasMessageContaining("Expected " + FIRST + " to download 64 bytes")
          .hasMessageContaining("CUDA_ERROR_ILLEGAL_ADDRESS (700), after a launch of noise")
          .hasMessageContaining("restart the worker");
      int calls = EmulatedCuda.calls("cuCtxSetCurrent");
      for (Runnable again :
          List.<Runnable>of(
              () -> device.noise(values, 1, 2, 0),
              () -> device.upload(host(16), values),
              () -> device.download(values, host(16)),
              device::finish,
              () -> device.memory().allocate(64, "test"))) {
        LongtakeException later = failure(again);
        assertThat(later.code()).isEqualTo(ErrorCode.DEVICE_LOST);
        assertThat(later).hasMessage(first.getMessage());
      }
      assertThat(EmulatedCuda.calls("cuCtxSetCurrent"))
          .as("CUDA is asked no more")
          .isEqualTo(calls);
      buffer.close();
    }
  }

  @Test
  void shouldWaitForKernelsWhenItIsToFinish() {
    EmulatedCuda.reset("fault=noise:1:719");
    try (CudaDevice device = open();
        DeviceBuffer buffer = device.memory().allocate(64, "test")) {
      device.noise(Matrix.dense(buffer, 4, 4, DType.F32), 1, 2, 0);
      assertThat(failure(device::finish))
          .hasMessageContaining("to finish its work (cuStreamSynchronize)")
          .hasMessageContaining("CUDA_ERROR_LAUNCH_FAILED (719), after a launch of noise");
    }
  }

  /** CUDA's context belongs to a thread, orders and checks have threads of their own. */
  @Test
  void shouldServeThreadsThatDidNotOpenIt() throws Exception {
    EmulatedCuda.reset("");
    try (CudaDevice device = open();
        var other = Executors.newSingleThreadExecutor()) {
      other
          .submit(() -> {
            try (DeviceBuffer buffer = device.memory().allocate(64, "test")) {
              Matrix values = Matrix.dense(buffer, 4, 4, DType.F32);
              device.noise(values, 1, 2, 0);
              device.download(values, host(16));
            }
          })
          .get(60, TimeUnit.SECONDS);
    }
  }

  @Test
  void shouldGoOnAfterAFailureThatLeavesTheGpuAlive() {
    EmulatedCuda.reset("fault=cuLaunchKernel:1:701");
    try (CudaDevice device = open();
        DeviceBuffer buffer = device.memory().allocate(64, "test")) {
      Matrix values = Matrix.dense(buffer, 4, 4, DType.F32);
      LongtakeException refused = failure(() -> device.noise(values, 1, 2, 0));
      assertThat(refused.code()).isEqualTo(ErrorCode.INTERNAL);
      assertThat(refused)
          .hasMessageContaining("to launch noise on 4 x 1 blocks of 32 threads (cuLaunchKernel)")
          .hasMessageContaining("CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES (701)");
      device.noise(values, 1, 2, 0);
      MemorySegment host = host(16);
      device.download(values, host);
      assertThat(host.toArray(ValueLayout.JAVA_FLOAT)).doesNotContain(0f);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"pools=1", "pools=0"})
  void shouldSayThatMemoryIsMissingAndGoOn(String setup) {
    EmulatedCuda.reset("memory=1048576 " + setup);
    try (CudaDevice device = open()) {
      DeviceMemory memory = device.memory();
      DeviceBuffer half = memory.allocate(1 << 19, "weights");
      LongtakeException refused = failure(() -> memory.allocate((1 << 19) + 1, "activations"));
      assertThat(refused.code()).isEqualTo(ErrorCode.OUT_OF_MEMORY);
      assertThat(refused)
          .hasMessageContaining("524289 bytes of activations, but the GPU refused")
          .hasMessageContaining("weights=524288");
      half.close();
      memory.allocate(1 << 20, "activations").close();
    }
    assertThat(EmulatedCuda.usedBytes()).isZero();
    assertThat(EmulatedCuda.calls("cuMemAllocAsync") > 0).isEqualTo(setup.equals("pools=1"));
  }

  @Test
  void shouldTakeMostOfTheFreeMemoryWhenNoLimitIsGiven() {
    EmulatedCuda.reset("memory=16777216");
    try (CudaDevice device =
        CudaDevice.open(new DeviceChoice.CudaIndex(0), EmulatedCuda.MODULE, null)) {
      assertThat(device.memory().limitBytes()).isEqualTo(15L << 20);
    }
  }

  /** Rows through buffers of 8 MiB: dense, with gaps, and rows that are longer than a buffer. */
  @ParameterizedTest
  @CsvSource({"3000000, 1, 0", "1, 3000000, 0", "5000, 1000, 7", "3, 2500000, 5", "40, 8, 3"})
  void shouldBringLargeCopiesThereAndBack(int rows, int columns, int gap) {
    EmulatedCuda.reset("");
    int count = rows * columns;
    MemorySegment source = host(count);
    for (int i = 0; i < count; i++) {
      source.setAtIndex(ValueLayout.JAVA_INT, i, i * 31 + 1);
    }
    try (CudaDevice device = open();
        DeviceBuffer buffer = device.memory().allocate(4L * rows * (columns + gap), "test")) {
      Matrix matrix = new Matrix(buffer, 0, rows, columns, columns + gap, DType.F32);
      device.upload(source, matrix);
      MemorySegment back = host(count);
      device.download(matrix, back);
      assertThat(back.mismatch(source)).isEqualTo(-1);
    }
  }

  private static MemorySegment host(int count) {
    return MemorySegment.ofArray(new float[count]);
  }
}
