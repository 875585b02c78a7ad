package dev.longtake.common.metrics;

/** The names of all meters, in base units; a registry adds what its system wants, such as {@code _total}. */
public final class MeterNames {
  /** Of what was there, or was being made for somebody else. */
  public static final String CACHE_HITS = "longtake.cache.hits";

  /** Of what was not. */
  public static final String CACHE_MISSES = "longtake.cache.misses";

  /** A timer of loads that succeeded. */
  public static final String CACHE_LOADS = "longtake.cache.load";

  /** Loads that failed. */
  public static final String CACHE_FAILURES = "longtake.cache.load.failures";

  /** Entries that left for want of room, or because nobody had used them for long. */
  public static final String CACHE_EVICTIONS = "longtake.cache.evictions";

  /** A gauge: what the entries take. */
  public static final String CACHE_BYTES = "longtake.cache.bytes";

  /** A gauge: of those, what can't be evicted now. */
  public static final String CACHE_PINNED_BYTES = "longtake.cache.pinned.bytes";

  /** A label: which cache. */
  public static final String TIER = "tier";

  /** A label: of which model, by its name. */
  public static final String MODEL = "model";

  private MeterNames() {}
}
