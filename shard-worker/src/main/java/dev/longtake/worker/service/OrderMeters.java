package dev.longtake.worker.service;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.metrics.Metric;
import dev.longtake.v1.WorkOrder;
import io.micrometer.core.instrument.MeterRegistry;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** What became of a worker's orders. Thread-safe. */
final class OrderMeters {
  private static final String DONE = "done";

  private final MeterRegistry registry;

  OrderMeters(MeterRegistry registry) {
    this.registry = registry;
    // From the start, so that the first one that ends is a change of 1.
    for (WorkOrder.TaskCase task :
        List.of(
            WorkOrder.TaskCase.SAMPLING,
            WorkOrder.TaskCase.FORWARD,
            WorkOrder.TaskCase.MEASURE_BLOCKS,
            WorkOrder.TaskCase.MEASURE_LINK)) {
      Metric.ORDERS.counter(registry, name(task), DONE);
      Metric.ORDER_SECONDS.counter(registry, name(task));
    }
  }

  private static String name(Enum<?> constant) {
    return constant.name().toLowerCase(Locale.ROOT);
  }

  /**
   * An order has ended.
   *
   * @param failure null when it is done
   */
  void ended(WorkOrder order, long nanos, @Nullable Throwable failure) {
    String task = name(order.getTaskCase());
    Metric.ORDERS.counter(registry, task, result(failure)).increment();
    Metric.ORDER_SECONDS.counter(registry, task).increment(nanos / 1e9);
  }

  private static String result(@Nullable Throwable failure) {
    if (failure == null) {
      return DONE;
    }
    return name(failure instanceof LongtakeException known ? known.code() : ErrorCode.INTERNAL);
  }
}
