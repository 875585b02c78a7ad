package dev.longtake.common.metrics;

import com.google.protobuf.Duration;
import dev.longtake.v1.CacheStatus;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
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
    hits = Metric.CACHE_HITS.counter(registry, tier, model);
    misses = Metric.CACHE_MISSES.counter(registry, tier, model);
    loads = Metric.CACHE_LOAD.timer(registry, tier, model);
    failures = Metric.CACHE_LOAD_FAILURES.counter(registry, tier, model);
    evictions = Metric.CACHE_EVICTIONS.counter(registry, tier, model);
    Metric.CACHE_BYTES.gauge(registry, bytes::get, tier, model);
    Metric.CACHE_PINNED_BYTES.gauge(registry, pinnedBytes::get, tier, model);
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
