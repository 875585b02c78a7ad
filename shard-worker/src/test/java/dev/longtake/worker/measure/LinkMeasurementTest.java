package dev.longtake.worker.measure;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.LinkTimes;
import dev.longtake.v1.MeasureLink;
import dev.longtake.v1.WorkEvent;
import dev.longtake.v1.WorkOrder;
import dev.longtake.worker.conformance.MemoryExchange;
import dev.longtake.worker.engine.GangExchange;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class LinkMeasurementTest {
  private static WorkOrder order(long bytes) {
    return WorkOrder.newBuilder()
        .addGang("a:1")
        .addGang("b:2")
        .setMeasureLink(MeasureLink.newBuilder().setPayloadBytes(bytes))
        .build();
  }

  private static LinkTimes run(GangExchange exchange, long bytes) {
    List<WorkEvent> events = new ArrayList<>();
    new LinkMeasurement(exchange, order(bytes)).run(events::add);
    assertThat(events).hasSize(1);
    return events.getFirst().getMeasured().getLink();
  }

  @Test
  void shouldTellOfTheLinkFromBothEnds() throws Exception {
    List<MemoryExchange> gang = MemoryExchange.gang(2);
    try (ExecutorService threads = Executors.newFixedThreadPool(2)) {
      Future<LinkTimes> first = threads.submit(() -> run(gang.get(0), 1 << 20));
      Future<LinkTimes> second = threads.submit(() -> run(gang.get(1), 1 << 20));
      LinkTimes there = first.get(1, TimeUnit.MINUTES);
      LinkTimes back = second.get(1, TimeUnit.MINUTES);

      assertThat(there.getFromWorker()).isEqualTo("a:1").isEqualTo(back.getToWorker());
      assertThat(there.getToWorker()).isEqualTo("b:2").isEqualTo(back.getFromWorker());
      for (LinkTimes times : List.of(there, back)) {
        assertThat(times.getLatencySeconds()).isPositive().isFinite();
        assertThat(times.getBytesPerSecond()).isPositive().isFinite();
      }
    }
  }

  @Test
  void shouldRefuseWhenThereAreNotTwoWorkersOrTooLargeAPayload() {
    LongtakeException alone =
        catchThrowableOfType(LongtakeException.class, () -> run(GangExchange.solo(), 0));
    LongtakeException large =
        catchThrowableOfType(
            LongtakeException.class, () -> run(MemoryExchange.gang(2).getFirst(), 1L << 40));

    assertThat(alone.code()).isEqualTo(ErrorCode.INVALID_REQUEST);
    assertThat(alone).hasMessageContaining("two workers");
    assertThat(large.code()).isEqualTo(ErrorCode.INVALID_REQUEST);
    assertThat(large).hasMessageContaining("payload");
  }
}
