package dev.longtake.client.cli;

import dev.longtake.v1.CacheStatus;
import dev.longtake.v1.Reuse;
import java.util.Locale;

/** What caches did, in a line. */
final class CacheText {
  private CacheText() {}

  /** Of a cache since its process started. */
  static String status(CacheStatus cache) {
    if (cache.getLimitBytes() == 0) {
      return "off";
    }
    long asked = cache.getHits() + cache.getMisses();
    return String.format(
        Locale.ROOT,
        "%d of %d from the cache, %d loads (%d failed) in %.2f s, %d entries with %s of %s (%s"
            + " pinned), %d evicted",
        cache.getHits(),
        asked,
        cache.getLoads(),
        cache.getFailedLoads(),
        Texts.seconds(cache.getLoadTime()),
        cache.getEntries(),
        Texts.bytes(cache.getBytes()),
        Texts.bytes(cache.getLimitBytes()),
        Texts.bytes(cache.getPinnedBytes()),
        cache.getEvictions());
  }

  /** Of a job. */
  static String reuse(Reuse reuse) {
    int embeddings = reuse.getEmbeddingsReused() + reuse.getEncoderRuns();
    int conditions = reuse.getConditionsReused() + reuse.getConditionsPrepared();
    return "%d of %d embeddings, %d of %d prepared texts; %d text encoder runs, %d projections"
        .formatted(
            reuse.getEmbeddingsReused(),
            embeddings,
            reuse.getConditionsReused(),
            conditions,
            reuse.getEncoderRuns(),
            reuse.getConditionProjections());
  }
}
