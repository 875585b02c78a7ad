package dev.longtake.ops.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Real processes at sizes of a few kilobytes: every figure is there, none is judged. */
@Tag("long")
final class ExchangeBenchmarkTest {
  private static final ExchangeSizes TINY =
      new ExchangeSizes(
          /* payloadBytes= */ 64 << 10,
          /* chunkBytes= */ 16 << 10,
          /* repeats= */ 2,
          /* firstWarmUps= */ 1,
          /* rounds= */ 1,
          /* pingBytes= */ 4 << 10,
          /* pings= */ 20,
          /* pairBytes= */ 32 << 10);

  @Test
  void shouldMeasureEveryTransportWhenSizesAreTiny() {
    List<Figure> figures = new ExchangeBenchmark(TINY).run(BenchOptions.NONE);
    assertThat(figures)
        .extracting(Figure::name)
        .contains(
            "exchange.stream.ratio_to_raw_tcp",
            "exchange.stream.tls.ratio_to_raw_tcp",
            "exchange.stream.tls.receiver.heap_per_chunk",
            "exchange.stream.shared_memory.ratio_to_raw_tcp",
            "exchange.stream.stub.rate",
            "exchange.stream.sender.heap_per_chunk",
            "exchange.ping.p99.ratio_to_raw_tcp",
            "exchange.all_to_all.of_4.ratio_to_raw_tcp");
    assertThat(figures).allSatisfy(figure -> assertThat(figure.value()).isPositive());
  }
}
