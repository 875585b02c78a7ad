package dev.longtake.worker.conformance;

import dev.longtake.common.metrics.CacheMeters;
import dev.longtake.common.model.ModelFolder;
import dev.longtake.common.plan.ExecutionPlan;
import dev.longtake.common.plan.Plans;
import dev.longtake.v1.DecodedFrames;
import dev.longtake.v1.Preview;
import dev.longtake.v1.StatePart;
import dev.longtake.v1.WorkFinished;
import dev.longtake.v1.WorkOrder;
import dev.longtake.worker.cache.ConditionCache;
import dev.longtake.worker.cache.ConditionCacheSettings;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.cpu.CpuDevice;
import dev.longtake.worker.engine.loading.OpenModel;
import dev.longtake.worker.media.FrameDecoder;
import dev.longtake.worker.order.EngineOrderRunner;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorCompletionService;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/**
 * Ranks as threads of this process, each with its own device, weights and cache of texts, that hand each other memory. A later task finds
 * the texts of earlier ones prepared, on some ranks or on all.
 */
final class ThreadGang implements Gang {
  private static final Set<String> KEPT = Set.of("weights", "scratch");
  private static final ConditionCacheSettings CACHE =
      new ConditionCacheSettings(1 << 26, /* expiry= */ null);

  private final List<Device> devices = new ArrayList<>();
  private final List<ConditionCache> caches = new ArrayList<>();
  private final List<OpenModel> models = new ArrayList<>();
  private final List<EngineOrderRunner> runners = new ArrayList<>();
  private final Queue<StatePart> states = new ConcurrentLinkedQueue<>();
  private final Map<Integer, Queue<DecodedFrames>> frames = new ConcurrentHashMap<>();
  private final Queue<Preview> previews = new ConcurrentLinkedQueue<>();
  private final Queue<WorkFinished> finished = new ConcurrentLinkedQueue<>();
  private final ExecutorService threads = Executors.newCachedThreadPool();

  ThreadGang(Path folder, int ranks, int threadsPerRank) {
    ModelFolder model = ModelFolder.open(folder);
    for (int rank = 0; rank < ranks; rank++) {
      Device device = CpuDevice.open(threadsPerRank, 1L << 32);
      OpenModel open = OpenModel.open(model);
      ConditionCache cache =
          new ConditionCache(
              device.memory(),
              "revision",
              CACHE,
              new CacheMeters(new SimpleMeterRegistry(), ConditionCache.TIER, "test"));
      devices.add(device);
      caches.add(cache);
      models.add(open);
      runners.add(
          new EngineOrderRunner(
              device,
              open.description(),
              open.weights(),
              cache,
              () -> model.vae().isPresent() ? FrameDecoder.open(model, 1) : null,
              InstantSource.system()));
    }
  }

  @Override
  public Map<String, Captured> run(WorkOrder.Builder order) {
    return run(order.clone().clearPlan().build(), runners.size());
  }

  /** Runs a task divided as the plan says; workers that it has no use for do nothing. */
  Map<String, Captured> run(WorkOrder.Builder order, ExecutionPlan plan) {
    return run(order.clone().setPlan(Plans.message(plan)).build(), plan.workers());
  }

  private Map<String, Captured> run(WorkOrder task, int ranks) {
    states.clear();
    frames.clear();
    previews.clear();
    finished.clear();
    SliceAssembly assembly = new SliceAssembly();
    List<MemoryExchange> exchanges = MemoryExchange.gang(ranks);
    var running = new ExecutorCompletionService<>(threads);
    for (int rank = 0; rank < ranks; rank++) {
      EngineOrderRunner runner = runners.get(rank);
      MemoryExchange exchange = exchanges.get(rank);
      Queue<DecodedFrames> decoded =
          frames.computeIfAbsent(rank, _ -> new ConcurrentLinkedQueue<>());
      running.submit(() -> run(runner, task, exchange, assembly, decoded), true);
    }
    for (int ended = 0; ended < ranks; ended++) {
      awaitNext(running);
    }
    return assembly.assemble();
  }

  private void run(
      EngineOrderRunner runner,
      WorkOrder task,
      MemoryExchange exchange,
      SliceAssembly assembly,
      Queue<DecodedFrames> decoded) {
    try {
      runner.run(
          task,
          exchange,
          event -> {
            if (event.hasTensor()) {
              assembly.add(event.getTensor());
            } else if (event.hasState()) {
              states.add(event.getState());
            } else if (event.hasFrames()) {
              decoded.add(event.getFrames());
            } else if (event.hasPreview()) {
              previews.add(event.getPreview());
            } else if (event.hasFinished()) {
              finished.add(event.getFinished());
            }
          },
          () -> false);
    } catch (RuntimeException | Error e) {
      exchange.abort(e);
      throw e;
    }
  }

  /** In order of ending, so that the first failure is the one that is reported. */
  private static void awaitNext(ExecutorCompletionService<Object> running) {
    try {
      Future<Object> rank = running.poll(2, TimeUnit.MINUTES);
      if (rank == null) {
        throw new AssertionError("The ranks did not end");
      }
      rank.get();
    } catch (InterruptedException | ExecutionException e) {
      throw new AssertionError("A rank failed", e);
    }
  }

  /** What the last task's ranks sent of the sampler's state, in no order. */
  List<StatePart> states() {
    return List.copyOf(states);
  }

  /** What the last task's ranks decoded, in no order. */
  List<DecodedFrames> frames() {
    return frames.values().stream().flatMap(Queue::stream).toList();
  }

  /** The latent frames that a rank of the last task decoded, in order. */
  List<Integer> framesOf(int rank) {
    return frames.getOrDefault(rank, new ConcurrentLinkedQueue<>()).stream()
        .map(DecodedFrames::getFirstFrame)
        .toList();
  }

  /** What the last task's ranks reported at their ends, in no order. */
  List<WorkFinished> finished() {
    return List.copyOf(finished);
  }

  /** The last task's previews, in order: one rank sends them. */
  List<Preview> previews() {
    return List.copyOf(previews);
  }

  /** Texts that orders found prepared. */
  long reusedTexts() {
    return caches.stream().mapToLong(cache -> cache.status().getHits()).sum();
  }

  /** Device bytes held by everything but the weights, cached texts and the device's own scratch; zero between orders. */
  long activationBytes() {
    long bytes = -caches.stream().mapToLong(cache -> cache.status().getBytes()).sum();
    for (Device device : devices) {
      for (var use : device.memory().usedBytesByTag().entrySet()) {
        bytes += KEPT.contains(use.getKey()) ? 0 : use.getValue();
      }
    }
    return bytes;
  }

  @Override
  public void close() {
    threads.shutdownNow();
    runners.forEach(EngineOrderRunner::close);
    devices.forEach(Device::close);
    models.forEach(OpenModel::close);
  }
}
