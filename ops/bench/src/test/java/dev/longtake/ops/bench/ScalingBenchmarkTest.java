package dev.longtake.ops.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.RankTrace;
import dev.longtake.v1.Split;
import dev.longtake.v1.TensorSlice;
import dev.longtake.v1.WorkFinished;
import dev.longtake.worker.order.ProtoTensors;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("long")
class ScalingBenchmarkTest {
  private static final ScalingSizes TINY =
      new ScalingSizes(
          /* channels= */ 48,
          /* heads= */ 2,
          /* pairs= */ 1,
          /* frames= */ 3,
          /* side= */ 6,
          /* textTokens= */ 5,
          /* steps= */ 2,
          /* rounds= */ 1,
          /* jobFrames= */ 3,
          /* jobSteps= */ 2,
          /* jobRounds= */ 1);

  @Test
  void shouldMeasureEveryAxisWithTheSameBitsWhenSizesAreTiny() {
    Map<String, Figure> figures =
        new ScalingBenchmark(TINY)
            .run(BenchOptions.NONE).stream()
                .collect(Collectors.toMap(Figure::name, figure -> figure));
    for (String name :
        List.of(
            "sequence.speedup",
            "ranges.throughput",
            "solo.step_seconds",
            "switch.speedup",
            "switch_in_two.speedup",
            "heads_in_two.speedup",
            "gather_in_two.speedup",
            "branches.speedup",
            "ranges.rank_0.busy_share",
            "ranges.rank_1.busy_share")) {
      assertThat(get(figures, name).value()).as(name).isPositive();
    }
    assertThat(get(figures, "sequence.speedup").value())
        .isEqualTo(
            Math.max(
                get(figures, "switch.speedup").value(),
                get(figures, "switch_in_two.speedup").value()));
    assertThat(get(figures, "ranges.limit").value()).isEqualTo(2 * 4 / 5.0);
    for (String part : List.of("exposed", "hidden", "idle")) {
      assertThat(get(figures, "switch.rank_1." + part + "_share").value()).isBetween(0.0, 1.0);
    }
  }

  private static Figure get(Map<String, Figure> figures, String name) {
    return Objects.requireNonNull(figures.get("scaling." + name), name);
  }

  @Test
  void shouldRefuseARunWhenItsBitsDiffer() {
    GangRun expected = run(1, 2, 3);
    run(1, 2, 3).requireSame(expected, "final", "plan a");
    assertThatThrownBy(() -> run(1, 2.0000002f, 3).requireSame(expected, "final", "plan a"))
        .isInstanceOf(LongtakeException.class)
        .hasMessageContaining("plan a")
        .hasMessageContaining("value 1");
    assertThatThrownBy(() -> run(1, -0f, 3).requireSame(run(1, 0f, 3), "final", "plan a"))
        .isInstanceOf(LongtakeException.class);
    assertThatThrownBy(() -> run(1, Float.NaN, 3).requireSame(expected, "final", "plan a"))
        .hasMessageContaining("NaN");
    assertThatThrownBy(() -> run(1, 2, 3).requireSame(expected, "output", "plan a"))
        .hasMessageContaining("missing");
  }

  /** Latents of one frame on each of three ranks. */
  private static GangRun run(float... frames) {
    return new GangRun(
        IntStream.range(0, frames.length)
            .mapToObj(rank ->
                new WorkerProcess.Result(
                    WorkFinished.getDefaultInstance(),
                    RankTrace.getDefaultInstance(),
                    List.of(
                        TensorSlice.newBuilder()
                            .setName("final")
                            .setSplit(Split.SPLIT_FRAME)
                            .setStart(rank)
                            .setEnd(rank + 1)
                            .setTensor(
                                ProtoTensors.of(
                                    new float[] {frames[rank]}, List.of(1L, 1L, 1L, 1L, 1L)))
                            .build())))
            .toList());
  }

  @Test
  void shouldTakeTheMiddleWhenValuesAreUnsorted() {
    assertThat(Medians.of(List.of(9.0, 1.0, 2.0))).isEqualTo(2);
    assertThat(Medians.of(List.of(4.0, 1.0))).isEqualTo(2.5);
    assertThat(Medians.of(List.of())).isNaN();
  }
}
