package dev.longtake.worker.exchange;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.rpc.Endpoints;
import dev.longtake.common.tls.TlsIdentity;
import io.grpc.Server;
import io.grpc.protobuf.services.HealthStatusManager;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** Real servers on loopback, each with an exchange hub and nothing else. */
final class LoopbackWorkers implements AutoCloseable {
  private final List<ExchangeHub> hubs = new ArrayList<>();
  private final List<Server> servers = new ArrayList<>();
  // A server forgets its port when it ends.
  private final List<Integer> ports = new ArrayList<>();
  private final ExecutorService callbacks = Executors.newCachedThreadPool();

  LoopbackWorkers(int count, ExchangeSettings settings) {
    for (int i = 0; i < count; i++) {
      add(settings, /* tls= */ null);
    }
  }

  /** One with each of these identities, of which null is plain text. */
  LoopbackWorkers(List<@Nullable TlsIdentity> identities, ExchangeSettings settings) {
    identities.forEach(tls -> add(settings, tls));
  }

  private void add(ExchangeSettings settings, @Nullable TlsIdentity tls) {
    var hub = new ExchangeHub(settings, tls);
    hubs.add(hub);
    servers.add(
        Endpoints.serve(
            "127.0.0.1", 0, callbacks, new HealthStatusManager(), List.of(hub.service()), tls));
    ports.add(servers.getLast().getPort());
  }

  ExchangeHub hub(int worker) {
    return hubs.get(worker);
  }

  Server server(int worker) {
    return servers.get(worker);
  }

  String address(int worker) {
    return "127.0.0.1:" + ports.get(worker);
  }

  List<String> addresses() {
    return IntStream.range(0, servers.size()).mapToObj(this::address).toList();
  }

  /** Checks that no exchange is open, and that no call lives on without one. */
  @Override
  public void close() {
    try {
      for (ExchangeHub hub : hubs) {
        assertThat(hub.openExchanges()).as("open exchanges").isZero();
        hub.close();
      }
      for (Server server : servers) {
        server.shutdown();
        assertThat(server.awaitTermination(20, TimeUnit.SECONDS)).as("all calls ended").isTrue();
      }
      callbacks.shutdown();
      assertThat(callbacks.awaitTermination(20, TimeUnit.SECONDS)).isTrue();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError(e);
    }
  }
}
