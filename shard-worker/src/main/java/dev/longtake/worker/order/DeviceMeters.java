package dev.longtake.worker.order;

import dev.longtake.common.metrics.BoundedLabel;
import dev.longtake.common.metrics.Metric;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.DeviceMemory;
import io.micrometer.core.instrument.MeterRegistry;
import java.util.List;
import java.util.Map;

/** The device's account of its memory and its time, as gauges. */
final class DeviceMeters {
  /** What is large or lives long; the rest is told as one. */
  private static final List<String> TAGS =
      List.of("weights", "activations", "condition", "latents", "vectors", "scratch");

  private DeviceMeters() {}

  static void bind(MeterRegistry registry, Device device) {
    DeviceMemory memory = device.memory();
    Metric.DEVICE_UTILIZATION.gauge(registry, device::utilization);
    for (String tag : TAGS) {
      Metric.DEVICE_MEMORY_BYTES.gauge(
          registry, () -> memory.usedBytesByTag().getOrDefault(tag, 0L), tag);
    }
    Metric.DEVICE_MEMORY_BYTES.gauge(registry, () -> others(memory), BoundedLabel.OTHER);
    Metric.DEVICE_MEMORY_PEAK_BYTES.gauge(registry, memory::peakBytes);
    Metric.DEVICE_MEMORY_LIMIT_BYTES.gauge(registry, memory::limitBytes);
  }

  private static long others(DeviceMemory memory) {
    return memory.usedBytesByTag().entrySet().stream()
        .filter(used -> !TAGS.contains(used.getKey()))
        .mapToLong(Map.Entry::getValue)
        .sum();
  }
}
