package dev.longtake.worker.conformance;

import dev.longtake.v1.WorkOrder;
import java.util.Map;

/** Workers that carry out an order together: in this process or in processes of their own. */
interface Gang extends AutoCloseable {
  /**
   * Runs a task.
   *
   * @param order with task and precision; job, ranks and plan are filled in
   * @return the captured tensors, whole
   */
  Map<String, Captured> run(WorkOrder.Builder order);

  @Override
  void close();
}
