package dev.longtake.worker.order;

import dev.longtake.common.metrics.Metric;
import dev.longtake.common.plan.ExecutionPlan;
import dev.longtake.worker.engine.trace.RankTrace;
import dev.longtake.worker.engine.trace.Span;
import dev.longtake.worker.engine.trace.StepObserver;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * Where a rank's steps go, as meters: what the time line of a job says in full, summed over the places of the model. A step adds once to
 * each series that it has a part in. For one rank of one job, used by the thread of its loop.
 */
final class StepMeters implements StepObserver {
  private static final double NANOS = 1e9;

  private final MeterRegistry registry;
  private final String stage;
  private final int homeLane;
  private final Timer step;
  private final Counter compute;
  private final Counter exchange;
  private final Counter idle;
  private final Counter hidden;
  private final Map<Series, Counter> operations = new HashMap<>();

  private record Series(String operation, Span.Kind kind) {}

  /**
   * @param homeLane the sampling loop's, whose operations have no place in the model
   */
  StepMeters(MeterRegistry registry, ExecutionPlan plan, int rank, int homeLane) {
    this.registry = registry;
    this.stage = Integer.toString(plan.place(rank).stage());
    this.homeLane = homeLane;
    this.step = Metric.STEP.timer(registry, stage);
    this.compute = Metric.SAMPLING_SECONDS.counter(registry, "compute");
    this.exchange = Metric.SAMPLING_SECONDS.counter(registry, "exchange");
    this.idle = Metric.SAMPLING_SECONDS.counter(registry, "idle");
    this.hidden = Metric.SAMPLING_HIDDEN_SECONDS.counter(registry);
  }

  @Override
  public void stepEnded(List<Span> spans, RankTrace.Totals totals) {
    step.record(totals.elapsed(), TimeUnit.NANOSECONDS);
    compute.increment(totals.compute() / NANOS);
    exchange.increment(totals.exposed() / NANOS);
    idle.increment(totals.idle() / NANOS);
    hidden.increment(totals.hidden() / NANOS);
    Map<Series, Long> sums = new HashMap<>();
    for (Span span : spans) {
      sums.merge(
          new Series(operation(span), span.kind()), span.endNanos() - span.startNanos(), Long::sum);
    }
    sums.forEach((series, nanos) ->
        operations.computeIfAbsent(series, this::counter).increment(nanos / NANOS));
  }

  /** {@code "Project"} of {@code "Project spatial_blocks.0.attn.qkv"}. */
  private String operation(Span span) {
    int place = span.lane() == homeLane ? -1 : span.name().indexOf(' ');
    return place < 0 ? span.name() : span.name().substring(0, place);
  }

  private Counter counter(Series series) {
    return Metric.OPERATION_SECONDS.counter(
        registry, stage, series.operation, series.kind.name().toLowerCase(Locale.ROOT));
  }
}
