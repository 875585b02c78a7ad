package dev.longtake.coordinator.cache;

import dev.longtake.common.error.LongtakeException;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * How much a coordinator keeps of what text encoders made.
 *
 * @param limitBytes of the heap; 0 keeps nothing there
 * @param diskBytes of the data folder, for the time after a restart; 0 keeps nothing there
 * @param expiry embeddings that nobody has used for this long leave the heap; null for never
 */
public record EmbeddingCacheSettings(long limitBytes, long diskBytes, @Nullable Duration expiry) {
  /** Of T5-XXL's texts at 300 tokens, 5 MB each, this holds 13. */
  private static final long DEFAULT_BYTES = 64L << 20;

  private static final int DEFAULT_SHARE = 8;

  /** 64 MiB, or an eighth of a small heap. */
  public static long defaultBytes() {
    return Math.min(DEFAULT_BYTES, Runtime.getRuntime().maxMemory() / DEFAULT_SHARE);
  }

  /** As many bytes, no disk, no expiry. */
  public static EmbeddingCacheSettings defaults() {
    return new EmbeddingCacheSettings(defaultBytes(), 0, null);
  }

  public EmbeddingCacheSettings {
    long heapBytes = Runtime.getRuntime().maxMemory();
    if (limitBytes < 0 || limitBytes > heapBytes / 2) {
      throw LongtakeException.invalidField(
          "embedding-cache",
          "Expected --embedding-cache of 0 (off) to half of the heap, %d bytes, but got %d; make it smaller or the heap larger (-Xmx)"
              .formatted(heapBytes / 2, limitBytes));
    }
    if (diskBytes < 0 || (diskBytes > 0 && limitBytes == 0)) {
      throw LongtakeException.invalidField(
          "embedding-disk",
          "Expected --embedding-disk of 0 (off) or more beside an --embedding-cache above 0, but got %d beside %d"
              .formatted(diskBytes, limitBytes));
    }
    if (expiry != null && !expiry.isPositive()) {
      throw LongtakeException.invalidField(
          "embedding-cache-expiry",
          "Expected --embedding-cache-expiry to be longer than nothing, but got %d ms"
              .formatted(expiry.toMillis()));
    }
  }
}
