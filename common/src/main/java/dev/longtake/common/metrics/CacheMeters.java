package dev.longtake.common.metrics;

import com.google.protobuf.Duration;
import dev.longtake.v1.CacheStatus;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.Timer;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/** What one tier of cache did for one model. Thread-safe. */
public final class CacheMeters {
  private final Counter hits;
  private final Counter misses;
  private final Timer loads;
  private final Counter failures;
  private final Counter evictions;
  private final AtomicLong bytes = new AtomicLong();
  private final AtomicLong pinnedBytes = new AtomicLong();

  /**
   * Registers the meters.
   *
   * @param tier {@code "embeddings"} or {@code "conditions"}
   * @param model its name
   */
  public CacheMeters(MeterRegistry registry, String tier, String model) {
    Tags tags = Tags.of(MeterNames.TIER, tier, MeterNames.MODEL, model);
    hits = registry.counter(MeterNames.CACHE_HITS, tags);
    misses = registry.counter(MeterNames.CACHE_MISSES, tags);
    loads = registry.timer(MeterNames.CACHE_LOADS, tags);
    failures = registry.counter(MeterNames.CACHE_FAILURES, tags);
    evictions = registry.counter(MeterNames.CACHE_EVICTIONS, tags);
    Gauge.builder(MeterNames.CACHE_BYTES, bytes, AtomicLong::get).tags(tags).register(registry);
    Gauge.builder(MeterNames.CACHE_PINNED_BYTES, pinnedBytes, AtomicLong::get)
        .tags(tags)
        .register(registry);
  }

  /** Somebody found what was there, or waited for what another was making. */
  public void hit() {
    hits.increment();
  }

  /** Somebody found nothing. */
  public void miss() {
    misses.increment();
  }

  public void loaded(long nanos) {
    loads.record(nanos, TimeUnit.NANOSECONDS);
  }

  public void loadFailed() {
    failures.increment();
  }

  public void evicted() {
    evictions.increment();
  }

  /** An entry came (above 0) or is gone (below 0). */
  public void addBytes(long change) {
    bytes.addAndGet(change);
  }

  /** An entry can't be evicted any more (above 0), or can again (below 0). */
  public void addPinnedBytes(long change) {
    pinnedBytes.addAndGet(change);
  }

  public long bytes() {
    return bytes.get();
  }

  public long pinnedBytes() {
    return pinnedBytes.get();
  }

  /**
   * All of it, as it is now.
   *
   * @param limitBytes what entries may take; 0 for no cache
   */
  public CacheStatus status(long limitBytes, long entries) {
    long loadNanos = (long) loads.totalTime(TimeUnit.NANOSECONDS);
    return CacheStatus.newBuilder()
        .setLimitBytes(limitBytes)
        .setEntries(entries)
        .setBytes(bytes.get())
        .setPinnedBytes(pinnedBytes.get())
        .setHits((long) hits.count())
        .setMisses((long) misses.count())
        .setLoads(loads.count())
        .setLoadTime(
            Duration.newBuilder()
                .setSeconds(loadNanos / 1_000_000_000)
                .setNanos((int) (loadNanos % 1_000_000_000)))
        .setFailedLoads((long) failures.count())
        .setEvictions((long) evictions.count())
        .build();
  }
}
