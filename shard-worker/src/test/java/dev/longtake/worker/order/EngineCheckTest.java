package dev.longtake.worker.order;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.longtake.common.model.ModelFolder;
import dev.longtake.v1.ClipGeometry;
import dev.longtake.v1.RectifiedFlow;
import dev.longtake.v1.RowCondition;
import dev.longtake.v1.SamplingTask;
import dev.longtake.v1.WorkEvent;
import dev.longtake.v1.WorkOrder;
import dev.longtake.worker.cache.ConditionCache;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.cpu.CpuDevice;
import dev.longtake.worker.engine.GangExchange;
import dev.longtake.worker.engine.loading.OpenModel;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** A worker's check of itself on a device that goes wrong when the test says so. */
class EngineCheckTest {
  private final OpenModel model =
      OpenModel.open(
          ModelFolder.open(Path.of(System.getProperty("longtake.root", ".."), "ops/demo-model")));
  private final CpuDevice cpu = CpuDevice.open(1, 256L << 20);
  private boolean flipsABit;
  private boolean fails;
  private final EngineOrderRunner runner =
      new EngineOrderRunner(
          faulty(),
          model.description(),
          model.weights(),
          ConditionCache.off(cpu.memory()),
          () -> null,
          InstantSource.system());

  @AfterEach
  void close() {
    runner.close();
    cpu.close();
    model.close();
  }

  /** The CPU, with results that have a wrong bit, or none at all. */
  private Device faulty() {
    return (Device)
        Proxy.newProxyInstance(
            Device.class.getClassLoader(),
            new Class<?>[] {Device.class},
            (proxy, method, arguments) -> {
              boolean isDownload = method.getName().equals("download");
              if (isDownload && fails) {
                throw new IllegalStateException("the device fell off the bus");
              }
              try {
                Object result = method.invoke(cpu, arguments);
                if (isDownload && flipsABit) {
                  MemorySegment host = (MemorySegment) arguments[1];
                  int bits = host.get(ValueLayout.JAVA_INT, 4);
                  host.set(ValueLayout.JAVA_INT, 4, bits ^ 1);
                }
                return result;
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
  }

  @Test
  void shouldGiveTheSameBitsEachTimeAndKeepNothing() {
    float[] first = Objects.requireNonNull(runner.check());
    assertThat(first).isNotEmpty();
    assertThat(cpu.memory().usedBytesByTag().getOrDefault("weights", 0L)).isZero();
    assertThat(runner.check()).isEqualTo(first);
    sample(_ -> {});
    long loaded = cpu.memory().usedBytesByTag().getOrDefault("weights", 0L);
    assertThat(loaded).isPositive();

    // With the weights that the order has left.
    assertThat(runner.check()).isEqualTo(first);

    assertThat(cpu.memory().usedBytesByTag().getOrDefault("weights", 0L)).isEqualTo(loaded);
  }

  /** One step on a tiny clip. */
  private void sample(Consumer<WorkEvent> events) {
    SamplingTask task =
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
            .setRectifiedFlow(RectifiedFlow.newBuilder().setSteps(1).setTimesteps(1000))
            .addCapture("z_in")
            .build();
    runner.run(
        WorkOrder.newBuilder().setSampling(task).build(), GangExchange.solo(), events, () -> false);
  }

  @Test
  void shouldShowWhatTheDeviceDoesWrong() {
    float[] first = Objects.requireNonNull(runner.check());
    flipsABit = true;
    assertThat(runner.check()).isNotEqualTo(first).hasSameSizeAs(first);
    flipsABit = false;
    fails = true;
    assertThatThrownBy(runner::check).hasMessageContaining("fell off the bus");
    fails = false;
    assertThat(runner.check()).isEqualTo(first);
  }

  @Test
  void shouldNotComputeWhileAnOrderDoes() {
    List<float[]> during = new ArrayList<>();
    // A captured tensor is sent with the order's turn on the device.
    sample(event -> {
      if (event.hasTensor()) {
        during.add(CompletableFuture.supplyAsync(runner::check).join());
      }
    });
    assertThat(during).hasSize(1).containsOnlyNulls();
  }
}
