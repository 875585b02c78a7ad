package dev.longtake.worker.order;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.model.ModelFolder;
import dev.longtake.v1.ClipGeometry;
import dev.longtake.v1.RectifiedFlow;
import dev.longtake.v1.RowCondition;
import dev.longtake.v1.SamplingTask;
import dev.longtake.v1.WorkOrder;
import dev.longtake.worker.cache.ConditionCache;
import dev.longtake.worker.device.cuda.CudaDevice;
import dev.longtake.worker.device.cuda.EmulatedCuda;
import dev.longtake.worker.engine.GangExchange;
import dev.longtake.worker.engine.loading.OpenModel;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A worker's check of itself, and with it what measures blocks, on the CUDA device. */
class CudaCheckTest {
  private static EngineOrderRunner runner(OpenModel model, CudaDevice device) {
    return new EngineOrderRunner(
        device,
        model.description(),
        model.weights(),
        ConditionCache.off(device.memory()),
        () -> null,
        InstantSource.system());
  }

  private static OpenModel model() {
    return OpenModel.open(
        ModelFolder.open(Path.of(System.getProperty("longtake.root", ".."), "ops/demo-model")));
  }

  @Test
  void shouldGiveTheSameBitsEachTimeAndWaitForEveryInstruction() {
    EmulatedCuda.reset("");
    try (OpenModel model = model();
        CudaDevice device = EmulatedCuda.open(1L << 30);
        EngineOrderRunner runner = runner(model, device)) {
      float[] first = Objects.requireNonNull(runner.check());
      assertThat(first).isNotEmpty();
      assertThat(runner.check()).isEqualTo(first);
      // Without, the times of blocks would be those of their launches.
      assertThat(EmulatedCuda.calls("cuStreamSynchronize"))
          .isGreaterThan(EmulatedCuda.calls("linearFloat"));
    }
  }

  /** In the weights of a layer, in another tensor, before and in the middle of a forward pass; closing finds what was not given back. */
  @ParameterizedTest
  @CsvSource({
    "check, cuMemAllocAsync, 4",
    "check, cuMemcpy2DAsync, 7",
    "check, cuMemcpy2DAsync, 50",
    "check, linearFloat, 1",
    "check, linearFloat, 9",
    "order, cuMemAllocAsync, 40",
    "order, cuMemcpy2DAsync, 200",
    "order, linearFloat, 40",
    "order, noise, 1",
  })
  void shouldFailWithTheFaultAndGiveEverythingBackWhereverItComes(
      String work, String call, int nth) {
    EmulatedCuda.reset("fault=%s:%d:700".formatted(call, nth));
    LongtakeException failure =
        catchThrowableOfType(
            LongtakeException.class,
            () -> {
              try (OpenModel model = model();
                  CudaDevice device = EmulatedCuda.open(1L << 30);
                  EngineOrderRunner runner = runner(model, device)) {
                if (work.equals("check")) {
                  var _ = runner.check();
                } else {
                  runner.run(order(), GangExchange.solo(), _ -> {}, () -> false);
                }
              }
            });
    assertThat(failure.code()).isEqualTo(ErrorCode.DEVICE_LOST);
    assertThat(failure).hasMessageContaining("CUDA_ERROR_ILLEGAL_ADDRESS (700)");
    assertThat(failure.getSuppressed()).as("of closing").isEmpty();
  }

  /** A step on a tiny clip. */
  private static WorkOrder order() {
    return WorkOrder.newBuilder()
        .setSampling(
            SamplingTask.newBuilder()
                .setGeometry(
                    ClipGeometry.newBuilder()
                        .setLatentFrames(2)
                        .setLatentHeight(4)
                        .setLatentWidth(4)
                        .setPixelHeight(32)
                        .setPixelWidth(32)
                        .setPixelFrames(2)
                        .setFps(8))
                .addPrompts(RowCondition.newBuilder().setNullTokens(3))
                .setRectifiedFlow(RectifiedFlow.newBuilder().setSteps(1).setTimesteps(1000)))
        .build();
  }
}
