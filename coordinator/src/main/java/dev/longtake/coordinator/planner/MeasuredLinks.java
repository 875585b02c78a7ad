package dev.longtake.coordinator.planner;

import dev.longtake.v1.LinkTimes;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Links as they were measured. A pair that was not is taken for one that was, between the same hosts. */
public final class MeasuredLinks implements Links {
  /** Of a pair of hosts that nothing is known of: 10 Gbit/s, as a guess that favours neither few nor many workers. */
  private static final double UNKNOWN_BYTES_PER_SECOND = 1.25e9;

  private static final double UNKNOWN_LATENCY_SECONDS = 100e-6;

  private record Pair(String from, String to) {}

  private final List<WorkerView> workers;
  private final Map<Pair, LinkTimes> byWorkers = new HashMap<>();
  private final Map<Pair, LinkTimes> byHosts = new HashMap<>();

  private MeasuredLinks(List<WorkerView> workers) {
    this.workers = List.copyOf(workers);
  }

  /**
   * Links between some workers.
   *
   * @param workers of the view, in its order
   * @param measured of any workers; those of others are ignored
   */
  public static MeasuredLinks of(List<WorkerView> workers, List<LinkTimes> measured) {
    MeasuredLinks links = new MeasuredLinks(workers);
    Map<String, String> hosts = new HashMap<>();
    workers.forEach(worker -> hosts.put(worker.id(), worker.host()));
    for (LinkTimes link : measured) {
      String from = hosts.get(link.getFromWorker());
      String to = hosts.get(link.getToWorker());
      if (from != null && to != null) {
        links.byWorkers.put(new Pair(link.getFromWorker(), link.getToWorker()), link);
        links.byHosts.putIfAbsent(new Pair(from, to), link);
      }
    }
    return links;
  }

  private LinkTimes link(int from, int to) {
    WorkerView sender = workers.get(from);
    WorkerView receiver = workers.get(to);
    LinkTimes measured = byWorkers.get(new Pair(sender.id(), receiver.id()));
    if (measured == null) {
      measured = byHosts.get(new Pair(sender.host(), receiver.host()));
    }
    return measured != null
        ? measured
        : LinkTimes.newBuilder()
            .setBytesPerSecond(UNKNOWN_BYTES_PER_SECOND)
            .setLatencySeconds(UNKNOWN_LATENCY_SECONDS)
            .build();
  }

  @Override
  public double bytesPerSecond(int from, int to) {
    return link(from, to).getBytesPerSecond();
  }

  @Override
  public double latencySeconds(int from, int to) {
    return link(from, to).getLatencySeconds();
  }
}
