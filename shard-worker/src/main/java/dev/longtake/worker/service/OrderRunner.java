package dev.longtake.worker.service;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.WorkEvent;
import dev.longtake.v1.WorkOrder;
import dev.longtake.v1.WorkerReport;
import dev.longtake.worker.engine.GangExchange;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Carries out one rank's share of a job. Called by one thread for each order, several orders at once. */
@FunctionalInterface
public interface OrderRunner {
  /**
   * Blocks until the order is done.
   *
   * @param order its identity, gang, plan and model fingerprint are already checked against this worker
   * @param exchange with the other ranks, with a lane for each micro-batch of the plan and one more; closed by the caller afterwards
   * @param events takes each event to the coordinator, WorkFinished last; from any thread. Blocks while the coordinator doesn't read; throws
   *     CANCELED when the call is over, TIMED_OUT when the coordinator reads nothing for too long
   * @param canceled true once the call was cancelled: to be asked at least once per step
   * @throws LongtakeException what the call then ends with
   */
  void run(
      WorkOrder order, GangExchange exchange, Consumer<WorkEvent> events, BooleanSupplier canceled);

  /**
   * Computes something small from end to end. Any thread; does not wait for orders.
   *
   * @return the same bits each time; null when orders keep the device busy, or full
   * @throws LongtakeException when it can't
   */
  default float @Nullable [] check() {
    return new float[0];
  }

  /** What the coordinator is told with every heartbeat. Any thread; at once. */
  default WorkerReport report() {
    return WorkerReport.getDefaultInstance();
  }
}
