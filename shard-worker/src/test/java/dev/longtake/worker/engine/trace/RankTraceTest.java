package dev.longtake.worker.engine.trace;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.worker.engine.trace.RankTrace.Totals;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class RankTraceTest {
  private static final List<Span.Kind> KINDS = List.of(Span.Kind.values());

  private static Span span(Span.Kind kind, int lane, long start, long end) {
    return new Span("x", kind, lane, 1, start, end);
  }

  @Test
  void shouldCountExchangeAsHiddenWhileAnotherLaneComputes() {
    Totals totals =
        RankTrace.sweep(
            List.of(
                span(Span.Kind.COMPUTE, 0, 0, 10),
                span(Span.Kind.EXCHANGE, 0, 10, 20),
                span(Span.Kind.COMPUTE, 1, 10, 16)),
            0,
            30);

    assertThat(totals).isEqualTo(new Totals(16, 4, 6, 10));
    assertThat(totals.elapsed()).isEqualTo(30);
  }

  @Test
  void shouldCountWaitingAsIdle() {
    Totals totals =
        RankTrace.sweep(
            List.of(span(Span.Kind.COMPUTE, 0, 0, 5), span(Span.Kind.WAIT, 0, 5, 40)), 0, 40);

    assertThat(totals).isEqualTo(new Totals(5, 0, 0, 35));
  }

  @Test
  void shouldWaitForTheDeviceBeforeAndAfterEachOperation() {
    var waits = new AtomicInteger();
    LaneTrace lane = new RankTrace(1, waits::incrementAndGet).lane(0);
    lane.begin("product");
    assertThat(waits).hasValue(1);
    lane.pause();
    assertThat(waits).hasValue(2);
  }

  @Test
  void shouldAgreeWithCountingInstantByInstantForAnySpans() {
    for (int seed = 0; seed < 200; seed++) {
      Random random = new Random(seed);
      List<Span> spans = new ArrayList<>();
      int count = random.nextInt(12);
      for (int i = 0; i < count; i++) {
        int start = random.nextInt(50);
        Span.Kind kind = KINDS.get(random.nextInt(KINDS.size()));
        spans.add(span(kind, i, start, start + random.nextInt(20)));
      }
      long compute = 0;
      long exposed = 0;
      long hidden = 0;
      for (int t = 0; t < 80; t++) {
        boolean computing = runs(spans, Span.Kind.COMPUTE, t);
        boolean exchanging = runs(spans, Span.Kind.EXCHANGE, t);
        compute += computing ? 1 : 0;
        hidden += computing && exchanging ? 1 : 0;
        exposed += !computing && exchanging ? 1 : 0;
      }

      assertThat(RankTrace.sweep(spans, 0, 80))
          .as("seed %d", seed)
          .isEqualTo(new Totals(compute, exposed, hidden, 80 - compute - exposed));
    }
  }

  private static boolean runs(List<Span> spans, Span.Kind kind, int instant) {
    return spans.stream()
        .anyMatch(s -> s.kind() == kind && s.startNanos() <= instant && instant < s.endNanos());
  }

  @Test
  void shouldKeepTheFirstSpansAndCountTheOthersWhenThereAreTooMany() {
    RankTrace trace = new RankTrace(1);
    int noted = 0;
    trace.beginStep();
    while (trace.dropped() == 0) {
      for (int i = 0; i < 10_000; i++) {
        trace.lane(0).begin("work");
        trace.lane(0).pause();
        noted++;
      }
      trace.endStep();
    }

    assertThat(trace.spans()).isNotEmpty().allMatch(span -> span.name().equals("work"));
    assertThat(trace.spans().size() + trace.dropped()).isLessThanOrEqualTo(noted);
  }
}
