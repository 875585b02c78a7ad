package dev.longtake.coordinator.cache;

import com.github.benmanes.caffeine.cache.AsyncCache;
import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import com.github.benmanes.caffeine.cache.RemovalCause;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.metrics.CacheMeters;
import dev.longtake.v1.CacheStatus;
import dev.longtake.v1.Tensor;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Embeddings of prompts by their token ids, however many requests ask for one at once encoded once. Text encoders run on workers; their
 * results are kept here, where every prompt passes and whichever worker made them, so that a worker that leaves takes nothing along.
 * The null text, which every prompt of some models comes with, is never evicted.
 *
 * <p>Thread-safe; encoding is done by the thread that asks first.
 */
public final class EmbeddingCache {
  /** What meters call it. */
  public static final String TIER = "embeddings";

  /** Of the limit, for the token ids of prompts; they are small beside embeddings. */
  private static final int TOKENS_SHARE = 16;

  /** Objects around a text's characters and ids, about. */
  private static final int TEXT_OVERHEAD_BYTES = 128;

  private final long limitBytes;
  private final Duration timeout;
  private final CacheMeters meters;
  private final @Nullable EmbeddingFiles files;
  private final AsyncCache<EmbeddingKey, Embedding> embeddings;
  private final Cache<Text, List<Integer>> tokens;

  private record Embedding(Tensor tensor, boolean isNullText) {
    int sizeBytes() {
      return tensor.getData().size();
    }
  }

  private record Text(String encoder, String prompt) {}

  /**
   * A cache that is off where its limit is 0.
   *
   * @param files keeps embeddings for the next start; null for none
   * @param timeout how long to wait for another request's encoding
   * @param nanoTime a monotonic clock, for expiry
   */
  public EmbeddingCache(
      EmbeddingCacheSettings settings,
      @Nullable EmbeddingFiles files,
      Duration timeout,
      CacheMeters meters,
      LongSupplier nanoTime) {
    this.limitBytes = settings.limitBytes();
    this.files = files;
    this.timeout = timeout;
    this.meters = meters;
    Caffeine<EmbeddingKey, Embedding> builder =
        Caffeine.newBuilder()
            .maximumWeight(limitBytes)
            .weigher((EmbeddingKey _, Embedding embedding) ->
                embedding.isNullText ? 0 : embedding.sizeBytes())
            .executor(Runnable::run)
            .ticker(nanoTime::getAsLong)
            .removalListener((_, embedding, cause) -> removed(embedding, cause));
    if (settings.expiry() != null) {
      builder.expireAfterAccess(settings.expiry());
    }
    embeddings = builder.buildAsync();
    tokens =
        Caffeine.newBuilder()
            .maximumWeight(limitBytes / TOKENS_SHARE)
            .weigher((Text text, List<Integer> ids) ->
                TEXT_OVERHEAD_BYTES + 2 * text.prompt.length() + 4 * ids.size())
            .executor(Runnable::run)
            .build();
  }

  private void removed(@Nullable Embedding embedding, RemovalCause cause) {
    if (embedding == null) {
      return;
    }
    if (cause.wasEvicted()) {
      meters.evicted();
    }
    count(embedding, -1);
  }

  private void count(Embedding embedding, int sign) {
    meters.addBytes((long) sign * embedding.sizeBytes());
    if (embedding.isNullText) {
      meters.addPinnedBytes((long) sign * embedding.sizeBytes());
    }
  }

  /** Whether anything is kept. */
  public boolean isOn() {
    return limitBytes > 0;
  }

  /** The token ids of a prompt that was seen before; asks where it was not. Two may ask at once. */
  public List<Integer> tokens(String encoder, String prompt, Supplier<List<Integer>> tokenizer) {
    Text text = new Text(encoder, prompt);
    List<Integer> known = tokens.getIfPresent(text);
    if (known != null) {
      return known;
    }
    List<Integer> ids = List.copyOf(tokenizer.get());
    tokens.put(text, ids);
    return ids;
  }

  /**
   * The embedding of a text.
   *
   * @param isNullText whether to keep it whatever happens
   * @param encoder called where there is none; a failure is passed on to all who wait for it, and not kept
   */
  public Tensor get(EmbeddingKey key, boolean isNullText, Supplier<Tensor> encoder) {
    AtomicBoolean isMine = new AtomicBoolean();
    CompletableFuture<Embedding> found =
        embeddings.get(
            key,
            (_, _) -> {
              isMine.set(true);
              return new CompletableFuture<>();
            });
    if (!isMine.get()) {
      Tensor tensor = await(found);
      meters.hit();
      return tensor;
    }
    try {
      Optional<Tensor> stored = files == null ? Optional.empty() : files.read(key);
      Tensor tensor = stored.orElseGet(() -> encode(key, encoder));
      if (stored.isPresent()) {
        meters.hit();
      }
      Embedding embedding = new Embedding(tensor, isNullText);
      count(embedding, 1);
      found.complete(embedding);
      return tensor;
    } catch (RuntimeException | Error e) {
      found.completeExceptionally(e);
      throw e;
    }
  }

  private Tensor encode(EmbeddingKey key, Supplier<Tensor> encoder) {
    meters.miss();
    long start = System.nanoTime();
    try {
      Tensor tensor = encoder.get();
      meters.loaded(System.nanoTime() - start);
      if (files != null) {
        files.write(key, tensor);
      }
      return tensor;
    } catch (RuntimeException e) {
      meters.loadFailed();
      throw e;
    }
  }

  private Tensor await(CompletableFuture<Embedding> found) {
    try {
      return found.get(timeout.toNanos(), TimeUnit.NANOSECONDS).tensor;
    } catch (ExecutionException e) {
      throw e.getCause() instanceof LongtakeException known
          ? known
          : new LongtakeException(
              ErrorCode.INTERNAL, "Encoding the prompt failed: " + e.getCause(), e);
    } catch (TimeoutException e) {
      throw new LongtakeException(
          ErrorCode.TIMED_OUT,
          "Expected a worker to encode the prompt for another request within %d s, but it did not; submit again"
              .formatted(timeout.toSeconds()),
          e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LongtakeException(
          ErrorCode.CANCELED, "Interrupted while another request's prompt was encoded", e);
    }
  }

  /** What it did so far. */
  public CacheStatus status() {
    embeddings.synchronous().cleanUp();
    return meters.status(limitBytes, embeddings.synchronous().estimatedSize());
  }
}
