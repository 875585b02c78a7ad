package dev.longtake.worker;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.worker.cache.ConditionCacheSettings;
import dev.longtake.worker.device.DeviceChoice;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * What a worker computes with.
 *
 * @param threads of the host that compute
 * @param memoryLimitBytes what the device may use; null for what it has
 * @param conditionCacheBytes of that memory, how much prepared texts may take; null for the default
 * @param conditionCacheExpiry prepared texts that nobody has used for this long go; null for never
 */
public record DeviceSettings(
    DeviceChoice device,
    int threads,
    @Nullable Long memoryLimitBytes,
    @Nullable Long conditionCacheBytes,
    @Nullable Duration conditionCacheExpiry) {
  /**
   * The cache of prepared texts on a device.
   *
   * @param memoryBytes what the device may use
   * @throws LongtakeException INVALID_REQUEST when the cache is larger than that
   */
  public ConditionCacheSettings texts(long memoryBytes) {
    Long asked = conditionCacheBytes;
    var texts =
        new ConditionCacheSettings(
            asked == null ? ConditionCacheSettings.defaultBytes(memoryBytes) : asked,
            conditionCacheExpiry);
    texts.requireFits(memoryBytes);
    return texts;
  }
}
