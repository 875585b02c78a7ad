package dev.longtake.ops.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.tensor.DType;
import dev.longtake.ops.model.RandomModel;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The benchmarks that run real workers, at sizes that take seconds. */
@Tag("long")
class WorkerBenchmarksTest {
  private static Map<String, Figure> byName(List<Figure> figures) {
    return figures.stream().collect(Collectors.toMap(Figure::name, figure -> figure));
  }

  private static Figure get(Map<String, Figure> figures, String name) {
    return Objects.requireNonNull(figures.get(name), name);
  }

  @Test
  void shouldNeedMemoryPerTokenOnlyWhenTokensAreFourTimesAsMany() {
    Map<String, Figure> figures =
        byName(
            new AttentionMemoryBenchmark()
                .run(new BenchOptions(List.of(4096, 1024), /* channels= */ 64, null)));
    assertThat(get(figures, "attention_memory.growth").met()).isTrue();
    assertThat(get(figures, "attention_memory.largest_tokens").value()).isEqualTo(4096);
    assertThat(get(figures, "attention_memory.largest_tokens").met()).isFalse();
    // The residual stream, q, k, v and the hidden layer of one block at least; no mask.
    assertThat(get(figures, "attention_memory.tokens_4096.device_bytes").value())
        .isGreaterThan(4096.0 * 64 * 4 * 4)
        .isLessThan(get(figures, "attention_memory.tokens_4096.mask_would_be").value());
  }

  @Test
  void shouldRefuseSizesThatMakeNoClip() {
    assertThatThrownBy(
            () -> new AttentionMemoryBenchmark().run(new BenchOptions(List.of(100), 64, null)))
        .isInstanceOf(LongtakeException.class)
        .hasMessageContaining("but got 100");
    assertThatThrownBy(
            () -> new AttentionMemoryBenchmark().run(new BenchOptions(List.of(128), 65, null)))
        .isInstanceOf(LongtakeException.class)
        .hasMessageContaining("but got 65");
  }

  @Test
  void shouldLoadAndRunAModelWhenItIsGivenOne(@TempDir Path model) {
    RandomModel.read(Path.of("../../shard-worker/src/test/resources/golden/stdit_v3/config.json"))
        .write(model, DType.BF16, 1 << 16, 1);
    Map<String, Figure> figures =
        byName(new LoadBenchmark().run(new BenchOptions(List.of(), 0, model)));
    List<String> types = LoadBenchmark.hasBfloat16() ? List.of("f32", "bf16") : List.of("f32");
    for (String type : types) {
      assertThat(figures)
          .containsKeys(
              "load." + type + ".ratio_to_reading_twice", "load." + type + ".rss_per_weight");
      assertThat(get(figures, "load." + type + ".seconds").value()).isPositive();
      assertThat(get(figures, "load." + type + ".step_seconds").value()).isPositive();
    }
    assertThat(get(figures, "load.file_bytes").value()).isPositive();
  }
}
