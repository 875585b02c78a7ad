package dev.longtake.worker.conformance;

import dev.longtake.common.model.ModelFolder;
import dev.longtake.v1.WorkEvent;
import dev.longtake.v1.WorkOrder;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.cpu.CpuDevice;
import dev.longtake.worker.engine.loading.OpenModel;
import dev.longtake.worker.order.EngineOrderRunner;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorCompletionService;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/** Ranks as threads of this process, each with its own device and weights, that hand each other memory. */
final class ThreadGang implements Gang {
  private static final Set<String> KEPT = Set.of("weights", "scratch");

  private final List<Device> devices = new ArrayList<>();
  private final List<OpenModel> models = new ArrayList<>();
  private final List<EngineOrderRunner> runners = new ArrayList<>();
  private final ExecutorService threads = Executors.newCachedThreadPool();

  ThreadGang(Path folder, int ranks, int threadsPerRank) {
    ModelFolder model = ModelFolder.open(folder);
    for (int rank = 0; rank < ranks; rank++) {
      Device device = CpuDevice.open(threadsPerRank, 1L << 32);
      OpenModel open = OpenModel.open(model);
      devices.add(device);
      models.add(open);
      runners.add(new EngineOrderRunner(device, open.description(), open.weights(), () -> null));
    }
  }

  @Override
  public Map<String, Captured> run(WorkOrder.Builder order) {
    SliceAssembly assembly = new SliceAssembly();
    WorkOrder task = order.build();
    List<MemoryExchange> exchanges = MemoryExchange.gang(runners.size());
    var running = new ExecutorCompletionService<>(threads);
    for (int rank = 0; rank < runners.size(); rank++) {
      EngineOrderRunner runner = runners.get(rank);
      MemoryExchange exchange = exchanges.get(rank);
      running.submit(
          () ->
              runner.run(
                  task,
                  exchange,
                  event -> {
                    if (event.getEventCase() == WorkEvent.EventCase.TENSOR) {
                      assembly.add(event.getTensor());
                    }
                  },
                  () -> false),
          true);
    }
    for (int ended = 0; ended < runners.size(); ended++) {
      awaitNext(running);
    }
    return assembly.assemble();
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

  /** Device bytes held by everything but the weights and the device's own scratch; zero between orders. */
  long activationBytes() {
    long bytes = 0;
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
