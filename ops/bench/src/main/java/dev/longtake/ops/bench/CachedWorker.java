package dev.longtake.ops.bench;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.metrics.CacheMeters;
import dev.longtake.common.model.ModelFolder;
import dev.longtake.v1.CacheStatus;
import dev.longtake.v1.Tensor;
import dev.longtake.v1.WorkEvent;
import dev.longtake.v1.WorkOrder;
import dev.longtake.worker.cache.ConditionCache;
import dev.longtake.worker.cache.ConditionCacheSettings;
import dev.longtake.worker.device.cpu.CpuDevice;
import dev.longtake.worker.engine.GangExchange;
import dev.longtake.worker.engine.loading.OpenModel;
import dev.longtake.worker.order.EngineOrderRunner;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;

/** A worker's engine in this process, without its services. Orders may come from any thread. Owns model, device and cache. */
final class CachedWorker implements AutoCloseable {
  private static final long MEMORY_BYTES = 4L << 30;
  private static final String CONDITION = "condition";

  private final OpenModel model;
  private final CpuDevice device;
  private final EngineOrderRunner runner;

  /**
   * Opens a model.
   *
   * @param cacheBytes what prepared texts may take; 0 for no cache
   */
  CachedWorker(Path folder, long cacheBytes) {
    model = OpenModel.open(ModelFolder.open(folder));
    device = CpuDevice.open(Runtime.getRuntime().availableProcessors(), MEMORY_BYTES);
    ConditionCache cache =
        new ConditionCache(
            device.memory(),
            "benchmark",
            new ConditionCacheSettings(cacheBytes, /* expiry= */ null),
            new CacheMeters(new SimpleMeterRegistry(), ConditionCache.TIER, "benchmark"));
    runner =
        new EngineOrderRunner(
            device,
            model.description(),
            model.weights(),
            cache,
            () -> null,
            InstantSource.system());
  }

  /** The final latents of an order of {@link RandomTasks#rectifiedFlow}. */
  Tensor run(WorkOrder order) {
    Queue<WorkEvent> events = new ConcurrentLinkedQueue<>();
    runner.run(order, GangExchange.solo(), events::add, () -> false);
    return events.stream()
        .filter(WorkEvent::hasTensor)
        .map(event -> event.getTensor().getTensor())
        .findFirst()
        .orElseThrow(
            () -> new LongtakeException(ErrorCode.INTERNAL, "Expected latents, but got none"));
  }

  CacheStatus status() {
    return runner.report().getConditionCache();
  }

  /** Width of the text encoder that the model reads. */
  int textChannels() {
    var text = model.description().text();
    return text == null ? 0 : text.channels();
  }

  /** Device bytes that neither the cache nor the loaded weights hold. */
  long otherBytes() {
    var byTag = device.memory().usedBytesByTag();
    long kept = byTag.getOrDefault("weights", 0L) + byTag.getOrDefault("scratch", 0L);
    return device.memory().usedBytes() - kept - status().getBytes();
  }

  /** Of prepared texts, whoever holds them. */
  long conditionBytes() {
    return device.memory().usedBytesByTag().getOrDefault(CONDITION, 0L);
  }

  /** Gives up texts and weights; what the device still holds then has leaked, but for its scratch. */
  long closeRunner() {
    runner.close();
    return device.memory().usedBytes()
        - device.memory().usedBytesByTag().getOrDefault("scratch", 0L);
  }

  @Override
  public void close() {
    runner.close();
    device.close();
    model.close();
  }
}
