package dev.longtake.ops.launcher.plan;

import dev.longtake.common.options.YamlMap;
import dev.longtake.coordinator.planner.TierLinks.Link;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalDouble;
import java.util.TreeMap;

/** Known GPUs and links by name. */
record Presets(Map<String, Gpu> gpus, Map<String, Link> links) {
  private static final String RESOURCE = "presets.yaml";

  /** What a GPU of unknown efficiency reaches of its peak; see the file of presets. */
  private static final double DEFAULT_EFFICIENCY = 0.13;

  private static final double GIB = 1L << 30;

  Presets {
    gpus = Map.copyOf(gpus);
    links = Map.copyOf(links);
  }

  /**
   * A GPU.
   *
   * @param flopsPerSecond that it reaches in bfloat16
   * @param flopsPerSecondF32 the same in float32; empty: not known
   * @param bytesPerSecond of its memory
   */
  record Gpu(
      double flopsPerSecond,
      OptionalDouble flopsPerSecondF32,
      long memoryBytes,
      double bytesPerSecond) {
    static Gpu read(YamlMap map) {
      map.allow("teraflops", "teraflops_f32", "efficiency", "memory_gib", "memory_bandwidth");
      double efficiency = map.has("efficiency") ? map.positive("efficiency") : DEFAULT_EFFICIENCY;
      if (efficiency > 1) {
        throw map.invalid("efficiency", "a number larger than 0 and at most 1");
      }
      return new Gpu(
          map.positive("teraflops") * 1e12 * efficiency,
          map.has("teraflops_f32")
              ? OptionalDouble.of(map.positive("teraflops_f32") * 1e12 * efficiency)
              : OptionalDouble.empty(),
          (long) (map.positive("memory_gib") * GIB),
          map.positive("memory_bandwidth") * 1e9);
    }
  }

  static Link readLink(YamlMap map) {
    map.allow("gbit_per_s", "latency_us");
    return new Link(
        map.positive("gbit_per_s") * 1e9 / 8,
        map.has("latency_us") ? map.atLeastZero("latency_us") / 1e6 : 0);
  }

  /** Those that come with the program. */
  static Presets builtIn() {
    try (InputStream in =
        Objects.requireNonNull(Presets.class.getResourceAsStream(RESOURCE), RESOURCE)) {
      return read(YamlMap.read(RESOURCE, new String(in.readAllBytes(), StandardCharsets.UTF_8)));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static Presets read(YamlMap file) {
    file.allow("gpus", "links");
    Map<String, Gpu> gpus = new TreeMap<>();
    YamlMap ofGpus = file.map("gpus");
    ofGpus.keys().forEach(name -> gpus.put(name, Gpu.read(ofGpus.map(name))));
    Map<String, Link> links = new TreeMap<>();
    YamlMap ofLinks = file.map("links");
    ofLinks.keys().forEach(name -> links.put(name, readLink(ofLinks.map(name))));
    return new Presets(gpus, links);
  }

  /** The GPU that a key names or describes. */
  Gpu gpu(YamlMap map, String key) {
    if (!map.isText(key)) {
      return Gpu.read(map.map(key));
    }
    Gpu found = gpus.get(map.text(key));
    if (found == null) {
      throw map.invalid(
          key,
          "one of %s, or teraflops, memory_gib and memory_bandwidth of its own"
              .formatted(String.join(", ", new TreeMap<>(gpus).keySet())));
    }
    return found;
  }

  /** The link that a key names or describes. */
  Link link(YamlMap map, String key) {
    if (!map.isText(key)) {
      return readLink(map.map(key));
    }
    Link found = links.get(map.text(key));
    if (found == null) {
      throw map.invalid(
          key,
          "one of %s, or gbit_per_s and latency_us of its own"
              .formatted(String.join(", ", new TreeMap<>(links).keySet())));
    }
    return found;
  }
}
