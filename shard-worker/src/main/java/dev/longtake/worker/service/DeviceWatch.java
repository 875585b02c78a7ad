package dev.longtake.worker.service;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.WorkEvent;
import dev.longtake.v1.WorkOrder;
import dev.longtake.v1.WorkerReport;
import dev.longtake.worker.engine.GangExchange;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Notices that the device has failed for good, in whatever computes on it. As thread-safe as what it watches. */
final class DeviceWatch implements OrderRunner {
  private final OrderRunner watched;
  private final Consumer<LongtakeException> onLost;

  /** @param onLost told each time, before the failure goes on to whoever called */
  DeviceWatch(OrderRunner watched, Consumer<LongtakeException> onLost) {
    this.watched = watched;
    this.onLost = onLost;
  }

  @Override
  public void run(
      WorkOrder order,
      GangExchange exchange,
      Consumer<WorkEvent> events,
      BooleanSupplier canceled) {
    try {
      watched.run(order, exchange, events, canceled);
    } catch (LongtakeException e) {
      tellIfLost(e);
      throw e;
    }
  }

  @Override
  public float @Nullable [] check() {
    try {
      return watched.check();
    } catch (LongtakeException e) {
      tellIfLost(e);
      throw e;
    }
  }

  private void tellIfLost(LongtakeException failure) {
    if (failure.code() == ErrorCode.DEVICE_LOST) {
      onLost.accept(failure);
    }
  }

  @Override
  public WorkerReport report() {
    return watched.report();
  }
}
