package dev.longtake.worker.service;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.WorkEvent;
import dev.longtake.v1.WorkOrder;
import dev.longtake.worker.engine.Exchange;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;

/** Carries out one rank's share of a job. Called by one thread, always the same, one order at a time. */
@FunctionalInterface
public interface OrderRunner {
  /**
   * Blocks until the order is done.
   *
   * @param order its identity, gang, plan and model fingerprint are already checked against this worker
   * @param exchange with the other ranks; closed by the caller afterwards
   * @param events takes each event to the coordinator, WorkFinished last. Blocks while the coordinator doesn't read; throws
   *     CANCELED when the call is over, TIMED_OUT when the coordinator reads nothing for too long
   * @param canceled true once the call was cancelled: to be asked at least once per step
   * @throws LongtakeException what the call then ends with
   */
  void run(
      WorkOrder order, Exchange exchange, Consumer<WorkEvent> events, BooleanSupplier canceled);
}
