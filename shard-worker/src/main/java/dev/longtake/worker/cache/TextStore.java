package dev.longtake.worker.cache;

import com.github.benmanes.caffeine.cache.AsyncCache;
import com.github.benmanes.caffeine.cache.Caffeine;
import com.github.benmanes.caffeine.cache.Policy;
import com.github.benmanes.caffeine.cache.RemovalCause;
import com.github.benmanes.caffeine.cache.Ticker;
import dev.longtake.common.metrics.CacheMeters;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * Prepared texts in Caffeine, weighed in device bytes.
 *
 * <p>A text that is pinned weighs nothing, so Caffeine never chooses it; what pinned texts take is taken off the maximum instead. Texts
 * together so take at most the limit, or what running jobs use where that is more. Should a text that is used leave all the same, by
 * expiry or under memory pressure, its memory lives until the last use has ended.
 *
 * <p>Thread-safe. Texts are made by callers, who hold no lock of the store's meanwhile. Owns the texts.
 */
final class TextStore implements AutoCloseable {
  /** Caffeine's weights are ints and memory comes in multiples of this, so a text may have 128 GiB. */
  private static final int WEIGHT_UNIT_BYTES = 64;

  private final long limitBytes;
  private final CacheMeters meters;
  private final AsyncCache<TextKey, SharedText> cache;
  private final Policy.Eviction<TextKey, SharedText> eviction;
  private final AtomicLong permanentBytes = new AtomicLong();

  // Pins and the maximum change together.
  private final ReentrantLock lock = new ReentrantLock();

  /** For a limit above 0. */
  TextStore(ConditionCacheSettings settings, CacheMeters meters, Ticker ticker) {
    this.limitBytes = settings.limitBytes();
    this.meters = meters;
    Caffeine<TextKey, SharedText> builder =
        Caffeine.newBuilder()
            .maximumWeight(units(limitBytes))
            .weigher((TextKey _, SharedText text) -> weight(text))
            // Evicted memory is back before the call returns that made it necessary.
            .executor(Runnable::run)
            .ticker(ticker)
            .removalListener((_, text, cause) -> removed(text, cause));
    if (settings.expiry() != null) {
      builder.expireAfterAccess(settings.expiry());
    }
    cache = builder.buildAsync();
    eviction = cache.synchronous().policy().eviction().orElseThrow();
  }

  private static long units(long bytes) {
    return Math.ceilDiv(bytes, WEIGHT_UNIT_BYTES);
  }

  private static int weight(SharedText text) {
    return text.isPinned() ? 0 : Math.toIntExact(units(text.text().sizeBytes()));
  }

  /** Takes no lock: Caffeine calls it in the middle of its own work. */
  private void removed(@Nullable SharedText text, RemovalCause cause) {
    if (text == null) {
      return;
    }
    if (cause.wasEvicted()) {
      meters.evicted();
    }
    if (text.isPermanent()) {
      permanentBytes.addAndGet(-text.text().sizeBytes());
    }
    text.drop();
  }

  /**
   * A place for a text.
   *
   * @param text may still be in the making
   * @param isNew the caller makes the text and completes it, in any case; a failure is not kept
   */
  record Place(TextKey key, CompletableFuture<SharedText> text, boolean isNew) {}

  /** The text of a key; where there is none, the caller must make it. */
  Place find(TextKey key) {
    AtomicBoolean isNew = new AtomicBoolean();
    CompletableFuture<SharedText> text =
        cache.get(
            key,
            (_, _) -> {
              isNew.set(true);
              return new CompletableFuture<>();
            });
    return new Place(key, text, isNew.get());
  }

  /** Whether a text of this size may stay for good, being read by every job. */
  boolean mayBePermanent(long sizeBytes) {
    // Prompts have the other half.
    return permanentBytes.get() + sizeBytes <= limitBytes / 2;
  }

  /** Stores a text that was just made, and that its maker uses. */
  void complete(Place place, SharedText text) {
    if (text.isPermanent()) {
      permanentBytes.addAndGet(text.text().sizeBytes());
    }
    lock.lock();
    try {
      place.text.complete(text);
      fit();
    } finally {
      lock.unlock();
    }
  }

  /** Pins a text; false when it has been freed. */
  boolean tryUse(Place place, SharedText text) {
    lock.lock();
    try {
      if (!text.tryUse()) {
        return false;
      }
      reweigh(place);
      fit();
      return true;
    } finally {
      lock.unlock();
    }
  }

  /** Ends what {@link #tryUse} or {@link #complete} began. */
  void endUse(Place place, SharedText text) {
    lock.lock();
    try {
      text.endUse();
      // The room first, or the text itself might be thrown out of its own.
      fit();
      reweigh(place);
      cache.synchronous().cleanUp();
    } finally {
      lock.unlock();
    }
  }

  /** Storing the same future again makes Caffeine weigh it; no effect where it has left. */
  private void reweigh(Place place) {
    var _ = cache.asMap().replace(place.key, place.text, place.text);
  }

  /** Held. What pinned texts leave of the limit. */
  private void fit() {
    eviction.setMaximum(units(Math.max(0, limitBytes - meters.pinnedBytes())));
  }

  /**
   * Frees texts that nobody uses, the policy's choice first, permanent ones last.
   *
   * @param sizeBytes how much is wanted
   */
  void release(long sizeBytes) {
    lock.lock();
    try {
      long before = meters.bytes();
      long kept = eviction.weightedSize().orElse(0) - units(sizeBytes);
      eviction.setMaximum(Math.max(0, kept));
      if (before - meters.bytes() < sizeBytes) {
        unusedPermanent()
            .forEach(key -> {
              meters.evicted();
              cache.synchronous().invalidate(key);
            });
      }
      fit();
    } finally {
      lock.unlock();
    }
  }

  private List<TextKey> unusedPermanent() {
    return cache.synchronous().asMap().entrySet().stream()
        .filter(entry -> entry.getValue().isPermanent() && !entry.getValue().isInUse())
        .map(Map.Entry::getKey)
        .toList();
  }

  /** Texts that are kept, those in the making included; expired ones are freed first. */
  long entries() {
    cache.synchronous().cleanUp();
    return cache.synchronous().estimatedSize();
  }

  /** Frees all texts. Nobody may use or make any. */
  @Override
  public void close() {
    cache.synchronous().invalidateAll();
    cache.synchronous().cleanUp();
  }
}
