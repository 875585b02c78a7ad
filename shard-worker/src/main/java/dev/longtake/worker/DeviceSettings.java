package dev.longtake.worker;

import dev.longtake.worker.cache.ConditionCacheSettings;

/**
 * What a worker computes with.
 *
 * @param threads that compute
 * @param memoryLimitBytes what the device may use
 * @param texts of that memory, how much prepared texts may take
 */
public record DeviceSettings(int threads, long memoryLimitBytes, ConditionCacheSettings texts) {
  public DeviceSettings {
    texts.requireFits(memoryLimitBytes);
  }
}
