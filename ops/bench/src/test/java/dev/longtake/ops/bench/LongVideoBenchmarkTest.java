package dev.longtake.ops.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** A short video; how flat memory is, and how early the first segment, are matters of the long one. */
@Tag("long")
class LongVideoBenchmarkTest {
  @Test
  void shouldMeasureAVideoOfSegments() {
    List<String> notes = new ArrayList<>();

    Map<String, Figure> figures =
        new LongVideoBenchmark()
                .run(new BenchOptions(List.of(), 0, Path.of("../demo-model"), 6, 0, 1, notes::add))
                .stream()
                .collect(Collectors.toMap(Figure::name, figure -> figure));

    assertThat(notes).singleElement().asString().startsWith("13 segments, 112 frames, 14.0 s");
    assertThat(value(figures, "long.first_segment_seconds"))
        .isPositive()
        .isLessThan(value(figures, "long.total_seconds"));
    assertThat(figures)
        .containsKeys(
            "long.coordinator.heap_growth",
            "long.worker_w1.heap_growth",
            "long.worker_w2.resident_growth");
    assertThat(value(figures, "long.worker_w2.heap_bytes")).isPositive();
  }

  private static double value(Map<String, Figure> figures, String name) {
    return Objects.requireNonNull(figures.get(name), name).value();
  }
}
