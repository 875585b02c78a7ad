package dev.longtake.worker.cache;

import com.github.benmanes.caffeine.cache.Ticker;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.metrics.CacheMeters;
import dev.longtake.v1.CacheStatus;
import dev.longtake.worker.device.DeviceMemory;
import dev.longtake.worker.engine.ComputeTurn;
import dev.longtake.worker.engine.exec.PreparedText;
import dev.longtake.worker.engine.exec.PreparedTexts;
import dev.longtake.worker.engine.exec.TextPreparation;
import dev.longtake.worker.engine.exec.TextRow;
import dev.longtake.worker.engine.model.TextInput;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * Prepared texts of one model on one device, for the jobs to come: however many jobs ask for a text, one prepares it.
 *
 * <p><b>Pinned</b> are texts that jobs read, and the unconditional one, which every job reads, up to half of the limit.
 *
 * <p><b>Memory pressure.</b> An allocation that finds no room gets what nobody uses, the unconditional text last, so plans may count on
 * all of the device's memory.
 *
 * <p><b>Gangs.</b> Each rank decides for itself: preparing a text has no exchanges, so a rank that finds it and one that does not
 * differ in time only.
 *
 * <p>Thread-safe. Owns its texts; closed when no order runs.
 */
public final class ConditionCache implements AutoCloseable {
  /** What meters call it. */
  public static final String TIER = "conditions";

  /** Preparing takes seconds at most; a longer wait means that the thread which does it hangs. */
  private static final long DEADLINE_MINUTES = 10;

  private final String revision;
  private final long limitBytes;
  private final CacheMeters meters;
  private final TextDigest digest;
  private final @Nullable TextStore store;

  /**
   * A cache that the device asks for memory from then on, or none at all where the limit is 0.
   *
   * @param revision a digest of the model's files
   * @param meters of this cache alone
   * @throws LongtakeException INVALID_REQUEST when the limit is above the device's memory
   */
  public ConditionCache(
      DeviceMemory memory, String revision, ConditionCacheSettings settings, CacheMeters meters) {
    this(memory, revision, settings, meters, TextDigest.SHA_256, Ticker.systemTicker());
  }

  ConditionCache(
      DeviceMemory memory,
      String revision,
      ConditionCacheSettings settings,
      CacheMeters meters,
      TextDigest digest,
      Ticker ticker) {
    settings.requireFits(memory.limitBytes());
    this.revision = revision;
    this.limitBytes = settings.limitBytes();
    this.meters = meters;
    this.digest = digest;
    if (limitBytes == 0) {
      store = null;
    } else {
      TextStore opened = new TextStore(settings, meters, ticker);
      store = opened;
      memory.onPressure(opened::release);
    }
  }

  /** Keeps nothing; every order prepares its texts. */
  public static ConditionCache off(DeviceMemory memory) {
    return new ConditionCache(
        memory,
        /* revision= */ "",
        ConditionCacheSettings.OFF,
        new CacheMeters(new SimpleMeterRegistry(), TIER, ""));
  }

  /**
   * The texts of one order.
   *
   * @param turn that whoever asks for a text has; given up while another order prepares it
   */
  public OrderTexts forOrder(ComputeTurn turn) {
    return new OrderTexts(this, turn);
  }

  /** What it did so far. */
  public CacheStatus status() {
    return meters.status(limitBytes, store == null ? 0 : store.entries());
  }

  PreparedTexts.Lease lease(
      TextRow text, TextPreparation preparation, ComputeTurn turn, TextCounts counts) {
    TextRow whole = whole(text, preparation);
    boolean fits = PreparedText.sizeBytes(preparation.program(), whole.tokens()) <= limitBytes;
    if (store == null || !fits) {
      return unshared(text, preparation, counts);
    }
    try {
      return shared(store, whole, preparation, turn, counts);
    } catch (LongtakeException e) {
      // A null text at full length is the cache's wish; the job has counted on its own length only.
      if (e.code() == ErrorCode.OUT_OF_MEMORY && whole.tokens() > text.tokens()) {
        return unshared(text, preparation, counts);
      }
      throw e;
    }
  }

  private static PreparedTexts.Lease unshared(
      TextRow text, TextPreparation preparation, TextCounts counts) {
    PreparedTexts.Lease lease = PreparedTexts.UNSHARED.lease(text, preparation);
    counts.prepared(preparation.projections());
    return lease;
  }

  /** What is kept in the place of a text. */
  private static TextRow whole(TextRow text, TextPreparation preparation) {
    TextInput input = preparation.program().model().text();
    return text instanceof TextRow.Null && input != null
        ? new TextRow.Null(input.maxTokens())
        : text;
  }

  private PreparedTexts.Lease shared(
      TextStore texts,
      TextRow text,
      TextPreparation preparation,
      ComputeTurn turn,
      TextCounts counts) {
    TextKey key = key(text, preparation);
    while (true) {
      TextStore.Place place = texts.find(key);
      if (place.isNew()) {
        SharedText made = make(texts, place, text, preparation);
        counts.prepared(preparation.projections());
        return lease(texts, place, made);
      }
      SharedText there = await(place.text(), turn);
      // Else it was evicted in between.
      if (texts.tryUse(place, there)) {
        meters.hit();
        counts.reused();
        return lease(texts, place, there);
      }
    }
  }

  private static PreparedTexts.Lease lease(
      TextStore texts, TextStore.Place place, SharedText text) {
    return new PreparedTexts.Lease(text.text(), () -> texts.endUse(place, text));
  }

  private TextKey key(TextRow text, TextPreparation preparation) {
    TextKey.Source source =
        switch (text) {
          case TextRow.Encoded encoded ->
              new TextKey.Embedding(
                  digest.of(encoded.values()), encoded.tokens(), encoded.tokenIds());
          case TextRow.Null _, TextRow.None _ -> new TextKey.NullText();
        };
    return new TextKey(revision, preparation.program().text(), preparation.blockType(), source);
  }

  private SharedText make(
      TextStore texts, TextStore.Place place, TextRow text, TextPreparation preparation) {
    meters.miss();
    long start = System.nanoTime();
    try {
      PreparedText prepared = preparation.prepare(text);
      boolean permanent = isUnconditional(text) && texts.mayBePermanent(prepared.sizeBytes());
      SharedText made = new SharedText(prepared, permanent, meters);
      meters.loaded(System.nanoTime() - start);
      texts.complete(place, made);
      return made;
    } catch (RuntimeException | Error e) {
      meters.loadFailed();
      place.text().completeExceptionally(e);
      throw e;
    }
  }

  private static boolean isUnconditional(TextRow text) {
    return text instanceof TextRow.Null
        || (text instanceof TextRow.Encoded encoded && encoded.unconditional());
  }

  private static SharedText await(CompletableFuture<SharedText> found, ComputeTurn turn) {
    SharedText there = found.isCompletedExceptionally() ? null : found.getNow(null);
    if (there != null) {
      return there;
    }
    // Whoever prepares it may need the device for that.
    turn.give();
    try {
      return found.get(DEADLINE_MINUTES, TimeUnit.MINUTES);
    } catch (ExecutionException e) {
      throw failure(e.getCause());
    } catch (TimeoutException e) {
      throw new LongtakeException(
          ErrorCode.TIMED_OUT,
          "Expected another job to prepare the text of this one within %d min, but it has not; restart the worker"
              .formatted(DEADLINE_MINUTES),
          e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LongtakeException(
          ErrorCode.CANCELED, "Interrupted while another job prepared the text of this one", e);
    } finally {
      turn.take();
    }
  }

  private static LongtakeException failure(@Nullable Throwable cause) {
    return cause instanceof LongtakeException known
        ? new LongtakeException(known.code(), known.getMessage(), known)
        : new LongtakeException(
            ErrorCode.INTERNAL,
            "The job that prepared the text of this one failed: " + cause,
            cause);
  }

  @Override
  public void close() {
    if (store != null) {
      store.close();
    }
  }
}
