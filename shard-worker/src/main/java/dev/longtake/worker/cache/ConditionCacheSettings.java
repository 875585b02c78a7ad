package dev.longtake.worker.cache;

import dev.longtake.common.error.LongtakeException;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * How much a worker keeps for jobs to come.
 *
 * @param limitBytes of device memory; 0 keeps nothing
 * @param expiry entries that nobody has used for this long go; null for never
 */
public record ConditionCacheSettings(long limitBytes, @Nullable Duration expiry) {
  /** Keeps nothing. */
  public static final ConditionCacheSettings OFF = new ConditionCacheSettings(0, null);

  /** Of Open-Sora 1.2's texts at full length, 160 MB each in float32, this holds six. */
  private static final long DEFAULT_BYTES = 1L << 30;

  /** Weights and activations need the rest. */
  private static final int DEFAULT_SHARE = 8;

  public ConditionCacheSettings {
    if (limitBytes < 0) {
      throw LongtakeException.invalidField(
          "condition-cache",
          "Expected a condition cache of 0 bytes (off) or more, but got " + limitBytes);
    }
    if (expiry != null && !expiry.isPositive()) {
      throw LongtakeException.invalidField(
          "condition-cache-expiry",
          "Expected an expiry longer than nothing, but got %s; leave it out to keep entries"
              .formatted(expiry));
    }
  }

  /** An eighth of a device's memory, at most 1 GiB. */
  public static long defaultBytes(long memoryLimitBytes) {
    return Math.min(DEFAULT_BYTES, memoryLimitBytes / DEFAULT_SHARE);
  }

  /**
   * Checks against a device.
   *
   * @throws LongtakeException INVALID_REQUEST when it has less memory than the cache may take
   */
  public void requireFits(long memoryLimitBytes) {
    if (limitBytes > memoryLimitBytes) {
      throw LongtakeException.invalidField(
          "condition-cache",
          "Expected a condition cache within the device's memory of %d bytes, but got %d; make --condition-cache smaller (0 turns it off) or --memory-limit larger"
              .formatted(memoryLimitBytes, limitBytes));
    }
  }
}
