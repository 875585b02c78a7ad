package dev.longtake.ops.bench.exchange;

import dev.longtake.common.rpc.Endpoints;
import dev.longtake.common.tls.TlsIdentity;
import dev.longtake.worker.engine.Exchange;
import dev.longtake.worker.exchange.ExchangeHub;
import dev.longtake.worker.exchange.ExchangeSettings;
import dev.longtake.worker.exchange.GangMember;
import dev.longtake.worker.exchange.GrpcGang;
import io.grpc.Server;
import io.grpc.protobuf.services.HealthStatusManager;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.jspecify.annotations.Nullable;

/** A worker's exchange, as workers have it, as long as the process lives. */
final class ExchangeEnd {
  private static final Duration PATIENCE = Duration.ofSeconds(30);

  private final ExecutorService callbacks = Executors.newCachedThreadPool();
  private final ExchangeHub hub;
  private final Server server;
  private final Map<String, GrpcGang> gangs = new ConcurrentHashMap<>();

  ExchangeEnd(ExchangeSettings settings, @Nullable TlsIdentity tls) {
    hub = new ExchangeHub(settings, tls);
    server =
        Endpoints.serve(
            "127.0.0.1", 0, callbacks, new HealthStatusManager(), List.of(hub.service()), tls);
  }

  int port() {
    return server.getPort();
  }

  void open(String job, int rank, List<String> addresses) {
    gangs.put(job, hub.open(job, 1, rank, GangMember.at(addresses), 1, PATIENCE));
  }

  private Exchange exchange(String job) {
    GrpcGang gang = gangs.get(job);
    if (gang == null) {
      throw new IllegalArgumentException("Expected job " + job + " to be open");
    }
    return gang.lane(0);
  }

  void send(String job, int peer, MemorySegment payload, int repeats) {
    for (int i = 0; i < repeats; i++) {
      exchange(job).send(peer, payload, "step 1, benchmark");
    }
  }

  void receive(String job, int peer, MemorySegment payload, int repeats) {
    for (int i = 0; i < repeats; i++) {
      exchange(job).receive(peer, payload, "step 1, benchmark");
    }
  }

  /** Nanoseconds of each of so many messages there and back, as the one that begins sees them. */
  long[] pingPong(String job, int peer, int messageBytes, int count, boolean begins) {
    Exchange exchange = exchange(job);
    long[] nanos = new long[count];
    try (Arena arena = Arena.ofShared()) {
      MemorySegment message = arena.allocate(messageBytes, 64);
      for (int i = 0; i < count; i++) {
        long start = System.nanoTime();
        if (begins) {
          exchange.send(peer, message, "step 1, benchmark");
          exchange.receive(peer, message, "step 1, benchmark");
        } else {
          exchange.receive(peer, message, "step 1, benchmark");
          exchange.send(peer, message, "step 1, benchmark");
        }
        nanos[i] = System.nanoTime() - start;
      }
    }
    return nanos;
  }

  /** Each part of the memory to another rank, and as much from it. */
  void allToAll(
      String job, MemorySegment payload, MemorySegment target, long pairBytes, int repeats) {
    Exchange exchange = exchange(job);
    int ranks = exchange.ranks();
    @Nullable MemorySegment[] outgoing = new MemorySegment[ranks];
    @Nullable MemorySegment[] incoming = new MemorySegment[ranks];
    for (int peer = 0; peer < ranks; peer++) {
      if (peer != exchange.rank()) {
        outgoing[peer] = payload.asSlice(peer * pairBytes, pairBytes);
        incoming[peer] = target.asSlice(peer * pairBytes, pairBytes);
      }
    }
    for (int i = 0; i < repeats; i++) {
      exchange.allToAll(outgoing, incoming, "step 1, benchmark");
    }
  }
}
