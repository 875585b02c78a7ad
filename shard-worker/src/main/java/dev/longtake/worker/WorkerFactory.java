package dev.longtake.worker;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.worker.service.WorkerNode;
import java.nio.file.Path;

/** Opens device and model for a worker process. */
@FunctionalInterface
public interface WorkerFactory {
  /**
   * Opens both; the node that is returned owns them.
   *
   * @param model the model's folder
   * @throws LongtakeException INVALID_MODEL, INVALID_CHECKPOINT, INVALID_REQUEST or OUT_OF_MEMORY
   */
  WorkerNode open(Path model, DeviceSettings settings);
}
