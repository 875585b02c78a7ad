package dev.longtake.worker.order;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.metrics.CacheMeters;
import dev.longtake.common.model.ModelFolder;
import dev.longtake.common.tensor.DType;
import dev.longtake.v1.CacheStatus;
import dev.longtake.v1.ClipGeometry;
import dev.longtake.v1.Guidance;
import dev.longtake.v1.MemoryUse;
import dev.longtake.v1.Precision;
import dev.longtake.v1.RectifiedFlow;
import dev.longtake.v1.RowCondition;
import dev.longtake.v1.SamplingTask;
import dev.longtake.v1.WorkEvent;
import dev.longtake.v1.WorkOrder;
import dev.longtake.v1.WorkerReport;
import dev.longtake.worker.cache.ConditionCache;
import dev.longtake.worker.cache.ConditionCacheSettings;
import dev.longtake.worker.device.cpu.CpuDevice;
import dev.longtake.worker.engine.GangExchange;
import dev.longtake.worker.engine.loading.OpenModel;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Several orders at once on one device, in both precisions where there are two: they take turns and disturb each other in nothing, whether
 * they share prepared texts or not, and however many of those there is room for.
 */
class ConcurrentOrdersTest {
  private static final int ORDERS = 6;
  private static final int PROMPTS = 4;
  private static final int TEXT_CHANNELS = 64;

  private static RowCondition prompt(int number) {
    Random random = new Random(number);
    int tokens = 1 + number;
    float[] values = new float[tokens * TEXT_CHANNELS];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return RowCondition.newBuilder()
        .setEmbedding(ProtoTensors.of(values, List.of((long) tokens, (long) TEXT_CHANNELS)))
        .build();
  }

  private static WorkOrder order(int seed, boolean bfloat16) {
    return WorkOrder.newBuilder()
        .setPrecision(
            bfloat16 && seed % 3 == 0 ? Precision.PRECISION_BF16 : Precision.PRECISION_F32)
        .setSampling(
            SamplingTask.newBuilder()
                .setGeometry(
                    ClipGeometry.newBuilder()
                        .setLatentFrames(3)
                        .setLatentHeight(8)
                        .setLatentWidth(6)
                        .setPixelHeight(64)
                        .setPixelWidth(48)
                        .setPixelFrames(3)
                        .setFps(8))
                .addPrompts(prompt(seed % PROMPTS))
                .setRectifiedFlow(RectifiedFlow.newBuilder().setSteps(3).setTimesteps(1000))
                .setGuidance(Guidance.newBuilder().setStrength(3))
                .setSeed(seed)
                .addCapture("final"))
        .build();
  }

  private static WorkEvent run(EngineOrderRunner runner, int seed, boolean bfloat16) {
    ConcurrentLinkedQueue<WorkEvent> events = new ConcurrentLinkedQueue<>();
    runner.run(order(seed, bfloat16), GangExchange.solo(), events::add, () -> false);
    return events.stream().filter(WorkEvent::hasTensor).findFirst().orElseThrow();
  }

  @ParameterizedTest
  @ValueSource(longs = {0, 60_000, 600_000, 1 << 26})
  void shouldGiveEveryOrderTheResultThatItHasAlone(long cacheBytes) throws Exception {
    Path demo = Path.of(System.getProperty("longtake.root", ".."), "ops/demo-model");
    try (OpenModel model = OpenModel.open(ModelFolder.open(demo));
        CpuDevice device = CpuDevice.open(3, 1L << 30);
        EngineOrderRunner uncached = runner(model, device, 0);
        EngineOrderRunner runner = runner(model, device, cacheBytes);
        ExecutorService threads = Executors.newFixedThreadPool(ORDERS)) {
      boolean bfloat16 = device.supports(DType.BF16);
      List<WorkEvent> alone = new ArrayList<>();
      for (int seed = 0; seed < ORDERS; seed++) {
        alone.add(run(uncached, seed, bfloat16));
      }
      for (int round = 0; round < 2; round++) {
        List<Future<WorkEvent>> together = new ArrayList<>();
        for (int seed = 0; seed < ORDERS; seed++) {
          int mine = seed;
          together.add(threads.submit(() -> run(runner, mine, bfloat16)));
        }
        for (int seed = 0; seed < ORDERS; seed++) {
          assertThat(together.get(seed).get(2, TimeUnit.MINUTES))
              .as("round %d, seed %d", round, seed)
              .isEqualTo(alone.get(seed));
        }
      }
      WorkerReport report = runner.report();
      CacheStatus status = report.getConditionCache();
      assertThat(status.getPinnedBytes()).isLessThanOrEqualTo(cacheBytes / 2);
      assertThat(status.getBytes()).isLessThanOrEqualTo(cacheBytes);
      assertThat(device.memory().usedBytesByTag().getOrDefault("condition", 0L))
          .isEqualTo(status.getBytes());
      MemoryUse memory = report.getMemory();
      assertThat(memory.getLimitBytes()).isEqualTo(device.memory().limitBytes());
      assertThat(memory.getPeakBytes()).isEqualTo(device.memory().peakBytes());
      assertThat(memory.getBytesByPurposeOrThrow("weights")).isPositive();
      assertThat(memory.getBytesByPurposeOrThrow("condition")).isEqualTo(status.getBytes());
      assertThat(memory.getBytesByPurposeMap().values().stream().mapToLong(Long::longValue).sum())
          .isEqualTo(device.memory().usedBytes());
    }
  }

  private static EngineOrderRunner runner(OpenModel model, CpuDevice device, long cacheBytes) {
    return new EngineOrderRunner(
        device,
        model.description(),
        model.weights(),
        new ConditionCache(
            device.memory(),
            "revision",
            new ConditionCacheSettings(cacheBytes, /* expiry= */ null),
            new CacheMeters(new SimpleMeterRegistry(), ConditionCache.TIER, "demo")),
        () -> null,
        InstantSource.system());
  }
}
