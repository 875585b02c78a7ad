package dev.longtake.worker.order;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.partition.Range;
import dev.longtake.common.plan.ExecutionPlan;
import dev.longtake.common.plan.SequenceMode;
import dev.longtake.worker.engine.trace.RankTrace.Totals;
import dev.longtake.worker.engine.trace.Span;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

final class StepMetersTest {
  private static final long SECOND = 1_000_000_000L;

  private final SimpleMeterRegistry registry = new SimpleMeterRegistry();

  private double seconds(String operation, String activity) {
    return registry
        .get("longtake.operation")
        .tags("stage", "1", "operation", operation, "activity", activity)
        .counter()
        .count();
  }

  @Test
  void shouldSumOperationsOverThePlacesOfTheModel() {
    // Two stages of one rank each: rank 1 is the second.
    var plan =
        new ExecutionPlan(
            1, List.of(new Range(0, 2), new Range(2, 4)), 1, SequenceMode.GATHER, List.of(1), 1);
    var meters = new StepMeters(registry, plan, /* rank= */ 1, /* homeLane= */ 1);
    List<Span> spans =
        List.of(
            new Span("Project blocks.0.mlp", Span.Kind.COMPUTE, 0, 1, 0, 2 * SECOND),
            new Span("Project blocks.1.mlp", Span.Kind.COMPUTE, 0, 1, 2 * SECOND, 5 * SECOND),
            new Span("Attend blocks.1", Span.Kind.EXCHANGE, 0, 1, 5 * SECOND, 6 * SECOND),
            new Span("guide and advance", Span.Kind.COMPUTE, 1, 1, 6 * SECOND, 7 * SECOND));

    meters.stepEnded(spans, new Totals(6 * SECOND, SECOND, 0, 2 * SECOND));
    meters.stepEnded(spans, new Totals(6 * SECOND, SECOND, SECOND / 2, 0));

    assertThat(seconds("Project", "compute")).isEqualTo(10);
    assertThat(seconds("Attend", "exchange")).isEqualTo(2);
    assertThat(seconds("guide and advance", "compute")).isEqualTo(2);
    assertThat(registry.get("longtake.step").tag("stage", "1").timer().totalTime(TimeUnit.SECONDS))
        .isEqualTo(16);
    assertThat(registry.get("longtake.sampling").tag("activity", "compute").counter().count())
        .isEqualTo(12);
    assertThat(registry.get("longtake.sampling").tag("activity", "exchange").counter().count())
        .isEqualTo(2);
    assertThat(registry.get("longtake.sampling").tag("activity", "idle").counter().count())
        .isEqualTo(2);
    assertThat(registry.get("longtake.sampling.hidden.exchange").counter().count()).isEqualTo(0.5);
  }
}
