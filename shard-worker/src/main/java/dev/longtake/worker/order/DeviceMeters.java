package dev.longtake.worker.order;

import dev.longtake.common.metrics.BoundedLabel;
import dev.longtake.common.metrics.Metric;
import dev.longtake.v1.MemoryUse;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.DeviceMemory;
import io.micrometer.core.instrument.MeterRegistry;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** The device's account of its memory and its time, as gauges and for the coordinator. */
final class DeviceMeters {
  /** What is large or lives long; the rest is told as one. */
  private static final List<String> TAGS =
      List.of("weights", "activations", "condition", "latents", "vectors", "scratch");

  private DeviceMeters() {}

  static void bind(MeterRegistry registry, Device device) {
    DeviceMemory memory = device.memory();
    Metric.DEVICE_UTILIZATION.gauge(registry, device::utilization);
    for (String purpose : bytesByPurpose(memory).keySet()) {
      Metric.DEVICE_MEMORY_BYTES.gauge(
          registry, () -> bytesByPurpose(memory).getOrDefault(purpose, 0L), purpose);
    }
    Metric.DEVICE_MEMORY_PEAK_BYTES.gauge(registry, memory::peakBytes);
    Metric.DEVICE_MEMORY_LIMIT_BYTES.gauge(registry, memory::limitBytes);
  }

  static MemoryUse use(DeviceMemory memory) {
    return MemoryUse.newBuilder()
        .setLimitBytes(memory.limitBytes())
        .setPeakBytes(memory.peakBytes())
        .putAllBytesByPurpose(bytesByPurpose(memory))
        .build();
  }

  /** All purposes, also those that have nothing; they add up to what is in use. */
  private static Map<String, Long> bytesByPurpose(DeviceMemory memory) {
    Map<String, Long> bytes = new TreeMap<>();
    TAGS.forEach(tag -> bytes.put(tag, 0L));
    bytes.put(BoundedLabel.OTHER, 0L);
    memory
        .usedBytesByTag()
        .forEach((tag, used) ->
            bytes.merge(TAGS.contains(tag) ? tag : BoundedLabel.OTHER, used, Long::sum));
    return bytes;
  }
}
