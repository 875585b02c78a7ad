package dev.longtake.ops.launcher.plan;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.options.YamlMap;
import dev.longtake.coordinator.planner.ClusterView;
import dev.longtake.coordinator.planner.Rates;
import dev.longtake.coordinator.planner.TierLinks;
import dev.longtake.coordinator.planner.TierLinks.Link;
import dev.longtake.coordinator.planner.WorkerView;
import dev.longtake.v1.BlockTimes;
import dev.longtake.v1.ModelProfile;
import dev.longtake.v1.Precision;
import dev.longtake.worker.device.cuda.CudaDevice;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * A file that describes machines:
 *
 * <pre>
 * nodes:
 *   - count: 2              # default 1
 *     gpus: 8               # of each node, default 1
 *     gpu: H100-SXM         # a preset, or {teraflops: 989, efficiency: 0.13, memory_gib: 80, memory_bandwidth: 3350}
 *     inside: NVLink4       # between the GPUs of a node: a preset, or {gbit_per_s: 3600, latency_us: 3}
 * between: 400GbE           # a node's link to the others, shared by its GPUs; needed where there are several nodes
 * </pre>
 */
final class ClusterFile {
  private static final int MAX_NODES = 10_000;
  private static final int MAX_GPUS = 1024;

  /** More would not be planned in bounded time. */
  private static final int MAX_WORKERS = 16_384;

  /** Copies between a GPU and the host: the exchange hands device memory over, so that they cost nothing here. */
  private static final double STAGING_BYTES_PER_SECOND = 1e15;

  /** Nodes that are alike. */
  private record Nodes(int count, int gpus, Presets.Gpu gpu, Link inside) {}

  private final List<Nodes> nodes;
  private final Link between;

  private ClusterFile(List<Nodes> nodes, Link between) {
    this.nodes = List.copyOf(nodes);
    this.between = between;
  }

  /**
   * Reads a file.
   *
   * @throws LongtakeException INVALID_REQUEST naming file, line, key, value and what is allowed
   */
  static ClusterFile read(YamlMap file, Presets presets) {
    file.allow("nodes", "between");
    List<Nodes> nodes = new ArrayList<>();
    int count = 0;
    long workers = 0;
    for (YamlMap map : file.maps("nodes")) {
      map.allow("count", "gpus", "gpu", "inside");
      int gpus = map.has("gpus") ? map.count("gpus", MAX_GPUS) : 1;
      Nodes entry =
          new Nodes(
              map.has("count") ? map.count("count", MAX_NODES) : 1,
              gpus,
              presets.gpu(map, "gpu"),
              // A single GPU has nobody to talk to inside.
              gpus > 1 || map.has("inside") ? presets.link(map, "inside") : new Link(1, 0));
      count += entry.count;
      workers += (long) entry.count * entry.gpus;
      nodes.add(entry);
    }
    if (workers > MAX_WORKERS) {
      throw file.invalid("nodes", "at most %d GPUs in all, not %d".formatted(MAX_WORKERS, workers));
    }
    return new ClusterFile(
        nodes, count > 1 || file.has("between") ? presets.link(file, "between") : new Link(1, 0));
  }

  /** The cluster, every GPU being a worker. */
  ClusterView view(ModelProfile profile, Precision precision) {
    List<WorkerView> workers = new ArrayList<>();
    List<Integer> nodeOf = new ArrayList<>();
    List<Link> inside = new ArrayList<>();
    for (Nodes entry : nodes) {
      Optional<BlockTimes> times = Optional.of(times(entry.gpu, profile, precision));
      for (int node = 0; node < entry.count; node++) {
        String host = "node-" + inside.size();
        for (int gpu = 0; gpu < entry.gpus; gpu++) {
          nodeOf.add(inside.size());
          workers.add(
              new WorkerView(
                  host + "/gpu-" + gpu,
                  host,
                  /* processors= */ 0,
                  /* threads= */ 1,
                  CudaDevice.GRAIN,
                  /* device= */ "cuda",
                  entry.gpu.memoryBytes(),
                  times));
        }
        inside.add(entry.inside);
      }
    }
    return new ClusterView(workers, new TierLinks(nodeOf, inside, between));
  }

  private static BlockTimes times(Presets.Gpu gpu, ModelProfile profile, Precision precision) {
    double flops =
        precision == Precision.PRECISION_BF16
            ? gpu.flopsPerSecond()
            : gpu.flopsPerSecondF32()
                .orElseThrow(() ->
                    LongtakeException.invalidField(
                        "--precision",
                        "Expected teraflops_f32 of every GPU for --precision f32, but one in the"
                            + " cluster file has none; add it, or take bf16"));
    return Rates.times(profile, precision, flops, gpu.bytesPerSecond(), STAGING_BYTES_PER_SECOND);
  }
}
