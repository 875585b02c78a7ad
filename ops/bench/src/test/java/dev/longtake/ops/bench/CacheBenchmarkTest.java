package dev.longtake.ops.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The parts that count and compare, at a length that takes seconds; times are the benchmark's own matter. */
@Tag("long")
class CacheBenchmarkTest {
  private static final Path DEMO = Path.of("../demo-model");

  @Test
  void shouldLoadEachPromptOnceAndBeRightWithTooSmallACache() {
    List<Figure> figures = new CacheLoad(DEMO).measure(Duration.ofSeconds(2));

    assertThat(figures).allMatch(Figure::met);
    assertThat(figures)
        .extracting(Figure::name)
        .contains("cache.concurrent.loads", "cache.random_load.leaked_bytes");
    // Else nothing was tried.
    assertThat(figures)
        .filteredOn(figure -> figure.name().equals("cache.random_load.evictions"))
        .allMatch(figure -> figure.value() > 0);
  }

  @Test
  void shouldSayWhatAPromptCostsAndWhereThatDoesNotMatter() {
    List<String> notes = new ArrayList<>();

    List<Figure> figures = CacheSavings.measure(DEMO, notes::add);

    // y_proj and the keys and values of 56 attentions: 2 * 300 * (4096 C + C^2 + 56 * 2 C^2).
    double channels = 1152;
    assertThat(figures)
        .filteredOn(figure -> figure.name().equals("cache.saving.stdit3_full.projection_flops"))
        .extracting(Figure::value)
        .containsExactly(600 * (4096 * channels + 113 * channels * channels));
    assertThat(notes).singleElement().asString().contains("does not matter");
  }
}
