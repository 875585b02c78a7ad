package dev.longtake.coordinator.planner;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * A cluster divided into workers of one kind of device each. Devices of one kind compute the same bits, those of different kinds do not,
 * so a gang of both would make a video that depends on who had which part.
 */
public final class DeviceKinds {
  private DeviceKinds() {}

  /** A view of each kind, by its name, in order of the kinds' first workers; the cluster itself where there is one kind. */
  public static Map<String, ClusterView> of(ClusterView cluster) {
    List<WorkerView> workers = cluster.workers();
    Map<String, ClusterView> kinds = new LinkedHashMap<>();
    for (WorkerView first : workers) {
      kinds.computeIfAbsent(
          first.device(),
          device -> {
            int[] members =
                IntStream.range(0, workers.size())
                    .filter(worker -> workers.get(worker).device().equals(device))
                    .toArray();
            return members.length == workers.size() ? cluster : some(cluster, members);
          });
    }
    return kinds;
  }

  private static ClusterView some(ClusterView cluster, int[] members) {
    return new ClusterView(
        IntStream.of(members).mapToObj(cluster.workers()::get).toList(),
        new SomeLinks(cluster.links(), members));
  }

  /** The links between some workers, numbered anew. */
  private record SomeLinks(Links all, int[] members) implements Links {
    @Override
    public double bytesPerSecond(int from, int to) {
      return all.bytesPerSecond(members[from], members[to]);
    }

    @Override
    public double latencySeconds(int from, int to) {
      return all.latencySeconds(members[from], members[to]);
    }

    @Override
    public boolean isTiered() {
      return all.isTiered();
    }
  }
}
