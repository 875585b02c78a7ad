package dev.longtake.coordinator.planner;

import dev.longtake.common.partition.Grain;
import dev.longtake.v1.BlockTimes;
import dev.longtake.v1.KindTimes;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** A cluster as planning needs it: workers in classes of equal ones, with the times of every kind of block. Immutable. */
final class Machines {
  private final ClusterView cluster;
  private final int[] classOf;
  private final int[] hostOf;
  private final List<Device> devices = new ArrayList<>();
  private final int hosts;
  private final long measured;

  /** Whether all workers together are crowded anywhere. */
  private final boolean isCrowded;

  private final double[] uncrowded;

  /** What equal workers have in common. */
  record Device(BlockTimes times, Map<String, KindTimes> kinds, long memoryBytes, Grain grain) {
    KindTimes kind(String name) {
      KindTimes found = kinds.get(name);
      if (found == null) {
        throw new IllegalStateException("Expected times of blocks of kind " + name);
      }
      return found;
    }
  }

  private record ClassKey(WorkerTimes times, long memoryBytes, Grain grain) {}

  /** Measured, or those of a number of threads. */
  private sealed interface WorkerTimes {
    record Measured(BlockTimes times) implements WorkerTimes {}

    record Declared(int threads) implements WorkerTimes {}
  }

  Machines(ClusterView cluster, Workload workload) {
    this.cluster = cluster;
    int workers = cluster.workers().size();
    classOf = new int[workers];
    hostOf = new int[workers];
    Map<ClassKey, Integer> classes = new HashMap<>();
    Map<String, Integer> names = new HashMap<>();
    for (int i = 0; i < workers; i++) {
      WorkerView worker = cluster.workers().get(i);
      hostOf[i] = names.computeIfAbsent(worker.host(), _ -> names.size());
      WorkerTimes times =
          worker
              .times()
              .<WorkerTimes>map(WorkerTimes.Measured::new)
              .orElseGet(() -> new WorkerTimes.Declared(Math.max(1, worker.threads())));
      long memory = worker.memoryBytes() <= 0 ? Long.MAX_VALUE : worker.memoryBytes();
      var key = new ClassKey(times, memory, worker.grain());
      Integer known = classes.get(key);
      if (known == null) {
        known = devices.size();
        devices.add(device(key, workload));
        classes.put(key, known);
      }
      classOf[i] = known;
    }
    hosts = names.size();
    uncrowded = new double[hosts];
    Arrays.fill(uncrowded, 1);
    int[] threads = new int[hosts];
    boolean crowded = false;
    for (int i = 0; i < workers; i++) {
      WorkerView worker = cluster.workers().get(i);
      threads[hostOf[i]] += worker.threads();
      crowded |= worker.processors() > 0 && threads[hostOf[i]] > worker.processors();
    }
    isCrowded = crowded;
    measured = cluster.workers().stream().filter(worker -> worker.times().isPresent()).count();
  }

  private static Device device(ClassKey key, Workload workload) {
    BlockTimes declared =
        Rates.declared(
            workload.profile(),
            workload.precision(),
            key.times instanceof WorkerTimes.Declared(int threads) ? threads : 1);
    BlockTimes times =
        key.times instanceof WorkerTimes.Measured(BlockTimes measured) ? measured : declared;
    Map<String, KindTimes> kinds = new HashMap<>();
    // A kind that was not measured is taken as declared.
    declared.getKindsList().forEach(kind -> kinds.put(kind.getKind(), kind));
    times.getKindsList().forEach(kind -> kinds.put(kind.getKind(), kind));
    return new Device(times, Map.copyOf(kinds), key.memoryBytes, key.grain);
  }

  int count() {
    return classOf.length;
  }

  WorkerView worker(int index) {
    return cluster.workers().get(index);
  }

  Device device(int worker) {
    return devices.get(classOf[worker]);
  }

  int classOf(int worker) {
    return classOf[worker];
  }

  int classes() {
    return devices.size();
  }

  int host(int worker) {
    return hostOf[worker];
  }

  int hosts() {
    return hosts;
  }

  Links links() {
    return cluster.links();
  }

  /** How many of them have measured times. */
  long measured() {
    return measured;
  }

  /**
   * By how much each host's workers are slower because they share its processors: their threads divided by the processors, where they
   * are more.
   *
   * @param workers that compute at the same time
   */
  double[] crowding(int[] workers) {
    if (!isCrowded) {
      return uncrowded;
    }
    int[] threads = new int[hosts];
    double[] factors = new double[hosts];
    for (int worker : workers) {
      threads[hostOf[worker]] += worker(worker).threads();
    }
    for (int worker : workers) {
      int processors = worker(worker).processors();
      int host = hostOf[worker];
      factors[host] = processors <= 0 ? 1 : Math.max(1, (double) threads[host] / processors);
    }
    return factors;
  }
}
