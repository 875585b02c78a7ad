package dev.longtake.ops.bench;

import dev.longtake.ops.bench.exchange.PeerGroup;
import dev.longtake.ops.bench.exchange.Transport;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * The exchange beside raw sockets and beside a generated stub, between processes over loopback. The transports take turns, so that a
 * machine that gets slower gets slower for all.
 */
final class ExchangeBenchmark implements Benchmark {
  private static final double STREAM_GOAL = 0.8;
  private static final double LATENCY_GOAL = 2.5;
  private static final double ALLOCATION_GOAL = 1024;
  private static final int MOST_PROCESSES = 4;

  /** Rounds that don't count: loops are compiled in them. */
  private static final int WARM_UPS = 3;

  private final ExchangeSizes sizes;

  ExchangeBenchmark() {
    this(ExchangeSizes.FULL);
  }

  ExchangeBenchmark(ExchangeSizes sizes) {
    this.sizes = sizes;
  }

  @Override
  public String name() {
    return "exchange";
  }

  @Override
  public String description() {
    return ("Processes on one host, raw TCP, the exchange over gRPC (all in messages, with mutual"
            + " TLS, and with chunks in shared memory) and a naive generated stub taking turns:"
            + " one stream of %d MiB in chunks of %d KiB with checksums (medians of %d rounds"
            + " of %d); %d bytes there and back; heap allocated per chunk by each side; all to"
            + " all of 2, 3 and 4 processes, %d MiB from each to each")
        .formatted(
            sizes.payloadBytes() >> 20,
            sizes.chunkBytes() >> 10,
            sizes.rounds(),
            sizes.repeats(),
            sizes.pingBytes(),
            sizes.pairBytes() >> 20);
  }

  @Override
  public List<Figure> run(BenchOptions options) {
    List<Figure> figures = new ArrayList<>();
    try (TemporaryFolder folder = TemporaryFolder.create();
        PeerGroup peers =
            PeerGroup.start(folder.path(), MOST_PROCESSES, memoryBytes(), sizes.chunkBytes())) {
      addStream(figures, peers);
      addPings(figures, peers);
      for (int ranks = 2; ranks <= MOST_PROCESSES; ranks++) {
        addAllToAll(figures, peers, ranks);
      }
    }
    return figures;
  }

  private long memoryBytes() {
    return Math.max(sizes.payloadBytes(), MOST_PROCESSES * sizes.pairBytes());
  }

  private void addStream(List<Figure> figures, PeerGroup peers) {
    String tcp = peers.open(2, Transport.SOCKETS);
    String tls = peers.open(2, Transport.TLS);
    String shared = peers.open(2, Transport.SHARED_MEMORY);
    List<Double> raw = new ArrayList<>();
    List<Double> stub = new ArrayList<>();
    List<double[]> overTcp = new ArrayList<>();
    List<double[]> overTls = new ArrayList<>();
    List<double[]> overMemory = new ArrayList<>();
    long bytes = sizes.payloadBytes();
    int repeats = sizes.repeats();
    for (int round = -sizes.firstWarmUps(); round < sizes.rounds(); round++) {
      double rawNanos =
          peers.of(0)
              .call("raw-send %s %d %d".formatted(peers.of(1).rawAddress(), bytes, repeats))[0];
      double[] tcpRound = streamRound(peers, tcp);
      double[] tlsRound = streamRound(peers, tls);
      double[] memoryRound = streamRound(peers, shared);
      double stubNanos =
          peers.of(0)
              .call("stub-send %s %d %d".formatted(peers.of(1).stubAddress(), bytes, repeats))[0];
      if (round >= 0) {
        raw.add(bytes * repeats / rawNanos);
        stub.add(bytes * repeats / stubNanos);
        overTcp.add(tcpRound);
        overTls.add(tlsRound);
        overMemory.add(memoryRound);
      }
    }
    double rawRate = Medians.of(raw);
    add(figures, "stream.raw_tcp.rate", rawRate, "GB/s", Goal.none());
    Goal heap = Goal.atMost(ALLOCATION_GOAL);
    addStream(figures, "stream.", overTcp, rawRate, Goal.atLeast(STREAM_GOAL), heap);
    addStream(figures, "stream.tls.", overTls, rawRate, Goal.none(), Goal.none());
    addStream(figures, "stream.shared_memory.", overMemory, rawRate, Goal.none(), heap);
    add(figures, "stream.stub.ratio_to_raw_tcp", Medians.of(stub) / rawRate, "ratio", Goal.none());
    add(figures, "stream.stub.rate", Medians.of(stub), "GB/s", Goal.none());
  }

  /** One round of the exchange: bytes a nanosecond, and heap allocated for each chunk by the sender and by the receiver. */
  private double[] streamRound(PeerGroup peers, String job) {
    long bytes = sizes.payloadBytes();
    int repeats = sizes.repeats();
    double chunks = (double) bytes * repeats / sizes.chunkBytes();
    List<double[]> ends =
        peers.together(
            List.of(
                "send %s 1 %d %d".formatted(job, bytes, repeats),
                "receive %s 0 %d %d".formatted(job, bytes, repeats)));
    return new double[] {
      bytes * repeats / ends.get(0)[0], ends.get(0)[1] / chunks, ends.get(1)[1] / chunks
    };
  }

  private static void addStream(
      List<Figure> figures,
      String at,
      List<double[]> rounds,
      double rawRate,
      Goal goal,
      Goal heap) {
    double rate = median(rounds, 0);
    add(figures, at + "ratio_to_raw_tcp", rate / rawRate, "ratio", goal);
    add(figures, at + "rate", rate, "GB/s", Goal.none());
    add(figures, at + "sender.heap_per_chunk", median(rounds, 1), "bytes", heap);
    add(figures, at + "receiver.heap_per_chunk", median(rounds, 2), "bytes", heap);
  }

  private static double median(List<double[]> rounds, int index) {
    return Medians.of(rounds.stream().map(round -> round[index]).toList());
  }

  private void addPings(List<Figure> figures, PeerGroup peers) {
    String job = peers.open(2, Transport.SOCKETS);
    List<double[]> raw = new ArrayList<>();
    List<double[]> exchange = new ArrayList<>();
    for (int round = -WARM_UPS; round < sizes.rounds(); round++) {
      double[] rawNanos =
          peers
              .of(0)
              .call(
                  "raw-ping %s %d %d"
                      .formatted(peers.of(1).rawAddress(), sizes.pingBytes(), sizes.pings()));
      List<double[]> ends =
          peers.together(
              List.of(
                  "ping %s 1 %d %d true".formatted(job, sizes.pingBytes(), sizes.pings()),
                  "ping %s 0 %d %d false".formatted(job, sizes.pingBytes(), sizes.pings())));
      if (round >= 0) {
        raw.add(rawNanos);
        exchange.add(ends.getFirst());
      }
    }
    for (int percent : new int[] {50, 99}) {
      double ofRaw = percentile(raw, percent);
      double ofExchange = percentile(exchange, percent);
      String at = "ping.p" + percent + ".";
      add(figures, at + "ratio_to_raw_tcp", ofExchange / ofRaw, "ratio", Goal.atMost(LATENCY_GOAL));
      add(figures, at + "raw_tcp", ofRaw / 1e3, "us", Goal.none());
      add(figures, at + "exchange", ofExchange / 1e3, "us", Goal.none());
    }
  }

  /** The median of the rounds' percentiles, each of sorted values. */
  private static double percentile(List<double[]> rounds, int percent) {
    return Medians.of(
        rounds.stream().map(sorted -> sorted[sorted.length * percent / 100]).toList());
  }

  private void addAllToAll(List<Figure> figures, PeerGroup peers, int ranks) {
    String job = peers.open(ranks, Transport.SOCKETS);
    List<Double> raw = new ArrayList<>();
    List<Double> exchange = new ArrayList<>();
    double bytes = (double) sizes.pairBytes() * ranks * (ranks - 1) * sizes.repeats();
    for (int round = -WARM_UPS; round < sizes.rounds(); round++) {
      double rawNanos = slowest(peers.together(rawCommands(peers, ranks)));
      double nanos =
          slowest(
              peers.together(
                  IntStream.range(0, ranks)
                      .mapToObj(
                          _ -> "all %s %d %d".formatted(job, sizes.pairBytes(), sizes.repeats()))
                      .toList()));
      if (round >= 0) {
        raw.add(bytes / rawNanos);
        exchange.add(bytes / nanos);
      }
    }
    String at = "all_to_all.of_" + ranks + ".";
    add(
        figures,
        at + "ratio_to_raw_tcp",
        Medians.of(exchange) / Medians.of(raw),
        "ratio",
        Goal.none());
    add(figures, at + "raw_tcp.rate", Medians.of(raw), "GB/s", Goal.none());
    add(figures, at + "rate", Medians.of(exchange), "GB/s", Goal.none());
  }

  private List<String> rawCommands(PeerGroup peers, int ranks) {
    return IntStream.range(0, ranks)
        .mapToObj(rank ->
            "raw-all %d %d %s"
                .formatted(
                    sizes.pairBytes(),
                    sizes.repeats(),
                    IntStream.range(0, ranks)
                        .filter(peer -> peer != rank)
                        .mapToObj(peer -> peers.of(peer).rawAddress())
                        .collect(Collectors.joining(" "))))
        .toList();
  }

  private static double slowest(List<double[]> answers) {
    return answers.stream().mapToDouble(answer -> answer[0]).max().orElse(Double.NaN);
  }

  private static void add(List<Figure> figures, String name, double value, String unit, Goal goal) {
    figures.add(new Figure("exchange." + name, value, unit, goal));
  }
}
