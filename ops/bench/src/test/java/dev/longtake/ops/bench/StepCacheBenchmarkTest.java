package dev.longtake.ops.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Few blocks and one round; how fast modes are is a matter of the real one. */
@Tag("long")
class StepCacheBenchmarkTest {
  @Test
  void shouldTellTheErrorBesideEachSpeedup() {
    List<Figure> figures =
        new StepCacheBenchmark(new StepCacheSizes(/* pairs= */ 3, /* steps= */ 30))
            .run(new BenchOptions(List.of(), 0, Path.of("../demo-model"), 0, 1, 1, _ -> {}));

    assertThat(figures.getFirst().name()).isEqualTo("stepcache.published.exchanged_share");
    // 17 of 30 steps: six all-to-alls of tokens, instead of five and the small prediction's.
    assertThat(figures.getFirst().value()).isBetween(0.5, 17 / 30.0 * 6 / 5);
    List<String> names = figures.stream().map(Figure::name).toList();
    for (String mode : List.of("broadcast_2_4_6", "first_block_5", "first_block_10")) {
      assertThat(names)
          .contains(
              "stepcache." + mode + ".speedup",
              "stepcache." + mode + ".psnr",
              "stepcache." + mode + ".ssim",
              "stepcache." + mode + ".largest_frame_error",
              "stepcache." + mode + ".exchanged_share");
    }
    assertThat(figures)
        .extracting(Figure::value)
        .allSatisfy(value -> assertThat(value).isPositive());
  }
}
