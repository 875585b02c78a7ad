package dev.longtake.ops.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** A few watches; how fast and how small is a matter of the many. */
@Tag("long")
class WatchesBenchmarkTest {
  @Test
  void shouldMeasureFirstEventsAndMemory() {
    List<Figure> figures =
        new WatchesBenchmark(5, 10, 40)
            .run(new BenchOptions(List.of(), 0, Path.of("../demo-model"), 0, 0, 1, _ -> {}));

    assertThat(figures)
        .extracting(Figure::name)
        .containsExactly(
            "watches.first_event_p50",
            "watches.first_event_p99",
            "watches.idle.heap_bytes",
            "watches.idle.resident_bytes",
            "watches.idle.bytes");
    assertThat(figures.get(0).value()).isPositive().isLessThanOrEqualTo(figures.get(1).value());
    assertThat(figures.getLast().value()).isNotNaN();
  }
}
