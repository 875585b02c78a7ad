package dev.longtake.worker.exchange;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.rpc.Endpoints;
import io.grpc.Server;
import io.grpc.protobuf.services.HealthStatusManager;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** What two workers count of the link between them, over real sockets. */
class LinkMetersTest {
  private static final int CHUNK_BYTES = 1024;
  private static final int CHUNKS = 40;
  private static final int BYTES = CHUNKS * CHUNK_BYTES;
  private static final Duration LONG = Duration.ofSeconds(60);

  private final List<SimpleMeterRegistry> registries = new ArrayList<>();
  private final List<ExchangeHub> hubs = new ArrayList<>();
  private final List<Server> servers = new ArrayList<>();

  private double count(int rank, String meter) {
    return registries.get(rank).get(meter).counter().count();
  }

  @Test
  void shouldCountWhatGoesBetweenTwoWorkersByTheirNames() throws Exception {
    var settings = new ExchangeSettings(CHUNK_BYTES, 2, 1, false, LONG, LONG, 64);
    try (ExecutorService threads = Executors.newCachedThreadPool()) {
      for (int rank = 0; rank < 2; rank++) {
        registries.add(new SimpleMeterRegistry());
        hubs.add(new ExchangeHub(settings, /* tls= */ null, registries.get(rank)));
        servers.add(
            Endpoints.serve(
                "127.0.0.1",
                0,
                threads,
                new HealthStatusManager(),
                List.of(hubs.get(rank).service())));
      }
      List<GangMember> gang =
          List.of(
              new GangMember("127.0.0.1:" + servers.get(0).getPort(), "first", ""),
              new GangMember("127.0.0.1:" + servers.get(1).getPort(), "second", ""));
      try (Arena arena = Arena.ofShared();
          GrpcGang first = hubs.get(0).open("j1", 1, 0, gang, 1, LONG);
          GrpcGang second = hubs.get(1).open("j1", 1, 1, gang, 1, LONG)) {
        MemorySegment sent = arena.allocate(BYTES);
        MemorySegment received = arena.allocate(BYTES);
        assertThat(registries.get(0).get("longtake.exchange.memory.limit").gauge().value())
            .isEqualTo(2.0 * 2 * CHUNK_BYTES);
        Future<?> sending = threads.submit(() -> first.lane(0).send(1, sent, "a test"));
        second.lane(0).receive(0, received, "a test");
        var _ = sending.get(60, TimeUnit.SECONDS);

        assertThat(count(0, "longtake.link.sent")).isEqualTo(BYTES);
        assertThat(count(0, "longtake.link.sent.chunks")).isEqualTo(CHUNKS);
        assertThat(count(1, "longtake.link.received")).isEqualTo(BYTES);
        assertThat(count(1, "longtake.link.received.chunks")).isEqualTo(CHUNKS);
        // With credits for 2 of 40 chunks it has waited for more.
        assertThat(count(0, "longtake.link.stall")).isPositive();
        assertThat(count(1, "longtake.link.receive")).isPositive();
        assertThat(count(1, "longtake.link.receive.timed"))
            .isBetween((double) BYTES / 2, (double) BYTES - CHUNK_BYTES);
        assertThat(registries.get(0).get("longtake.link.sent").counter().getId().getTag("peer"))
            .isEqualTo("second");
        assertThat(registries.get(1).get("longtake.link.received").counter().getId().getTag("peer"))
            .isEqualTo("first");
      } finally {
        hubs.forEach(ExchangeHub::close);
        servers.forEach(Server::shutdownNow);
      }
    }
    assertThat(registries.get(0).get("longtake.exchange.memory").gauge().value()).isZero();
  }
}
