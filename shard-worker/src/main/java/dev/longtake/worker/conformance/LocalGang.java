package dev.longtake.worker.conformance;

import dev.longtake.common.model.ModelFolder;
import dev.longtake.v1.WorkEvent;
import dev.longtake.v1.WorkOrder;
import dev.longtake.worker.Devices;
import dev.longtake.worker.cache.ConditionCache;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.DeviceChoice;
import dev.longtake.worker.engine.GangExchange;
import dev.longtake.worker.engine.loading.OpenModel;
import dev.longtake.worker.order.EngineOrderRunner;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.Map;

/** One worker in this process. */
final class LocalGang implements Gang {
  private final OpenModel model;
  private final Device device;
  private final EngineOrderRunner runner;

  private LocalGang(OpenModel model, Device device, EngineOrderRunner runner) {
    this.model = model;
    this.device = device;
    this.runner = runner;
  }

  static LocalGang open(Path folder, DeviceChoice choice) {
    OpenModel model = OpenModel.open(ModelFolder.open(folder));
    Device device;
    try {
      device =
          Devices.open(
              choice, Runtime.getRuntime().availableProcessors(), /* memoryLimitBytes= */ null);
    } catch (Throwable e) {
      model.close();
      throw e;
    }
    EngineOrderRunner runner =
        new EngineOrderRunner(
            device,
            model.description(),
            model.weights(),
            ConditionCache.off(device.memory()),
            () -> null,
            InstantSource.system());
    return new LocalGang(model, device, runner);
  }

  @Override
  public Map<String, Captured> run(WorkOrder.Builder order) {
    SliceAssembly assembly = new SliceAssembly();
    runner.run(
        order.build(),
        GangExchange.solo(),
        event -> {
          if (event.getEventCase() == WorkEvent.EventCase.TENSOR) {
            assembly.add(event.getTensor());
          }
        },
        () -> false);
    return assembly.assemble();
  }

  @Override
  public void close() {
    runner.close();
    device.close();
    model.close();
  }
}
