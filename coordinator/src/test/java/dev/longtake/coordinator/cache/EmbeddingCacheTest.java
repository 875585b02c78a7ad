package dev.longtake.coordinator.cache;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.ByteString;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.metrics.CacheMeters;
import dev.longtake.v1.CacheStatus;
import dev.longtake.v1.Tensor;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EmbeddingCacheTest {
  private static final int SIZE_BYTES = 100;
  private static final Duration TIMEOUT = Duration.ofMinutes(1);

  @TempDir Path folder = Path.of("");
  private final AtomicLong nanos = new AtomicLong();
  private final AtomicInteger runs = new AtomicInteger();

  private EmbeddingCache cache(
      long limitBytes, @Nullable EmbeddingFiles files, @Nullable Duration expiry) {
    return new EmbeddingCache(
        new EmbeddingCacheSettings(limitBytes, files == null ? 0 : 1, expiry),
        files,
        TIMEOUT,
        new CacheMeters(new SimpleMeterRegistry(), EmbeddingCache.TIER, "test"),
        nanos::get);
  }

  private static EmbeddingKey key(int id) {
    return new EmbeddingKey("encoder", List.of(id, 1));
  }

  private static Tensor tensor(int id) {
    byte[] bytes = new byte[SIZE_BYTES];
    bytes[0] = (byte) id;
    return Tensor.newBuilder().addShape(2).setData(ByteString.copyFrom(bytes)).build();
  }

  private Supplier<Tensor> encoding(int id) {
    return () -> {
      runs.incrementAndGet();
      return tensor(id);
    };
  }

  private Tensor get(EmbeddingCache cache, int id) {
    return cache.get(key(id), /* isNullText= */ false, encoding(id));
  }

  @Test
  void shouldEncodeATextOnce() {
    EmbeddingCache cache = cache(1000, null, null);

    assertThat(get(cache, 1)).isEqualTo(tensor(1)).isEqualTo(get(cache, 1));

    assertThat(runs).hasValue(1);
    assertThat(cache.status())
        .returns(1L, CacheStatus::getHits)
        .returns(1L, CacheStatus::getLoads)
        .returns((long) SIZE_BYTES, CacheStatus::getBytes);
  }

  @Test
  void shouldTellEncodersApart() {
    EmbeddingCache cache = cache(1000, null, null);
    get(cache, 1);
    var _ =
        cache.get(
            new EmbeddingKey("another encoder", key(1).tokenIds()),
            /* isNullText= */ false,
            encoding(2));

    assertThat(runs).hasValue(2);
  }

  @Test
  void shouldStayWithinItsLimitAndKeepTheNullText() {
    EmbeddingCache cache = cache(3 * SIZE_BYTES, null, null);
    var _ = cache.get(key(-1), /* isNullText= */ true, encoding(-1));
    for (int id = 0; id < 50; id++) {
      get(cache, id);
      assertThat(cache.status().getBytes()).isLessThanOrEqualTo(4 * SIZE_BYTES);
    }
    runs.set(0);
    var _ = cache.get(key(-1), /* isNullText= */ true, encoding(-1));

    assertThat(runs).hasValue(0);
    assertThat(cache.status())
        .returns((long) SIZE_BYTES, CacheStatus::getPinnedBytes)
        .returns(4L, CacheStatus::getEntries)
        .returns(47L, CacheStatus::getEvictions);
  }

  @Test
  void shouldForgetWhatNobodyUsedForLong() {
    EmbeddingCache cache = cache(1000, null, Duration.ofMinutes(5));
    get(cache, 1);
    nanos.addAndGet(Duration.ofMinutes(6).toNanos());

    assertThat(cache.status()).returns(0L, CacheStatus::getEntries);
    assertThat(cache.status()).returns(0L, CacheStatus::getBytes);
    get(cache, 1);
    assertThat(runs).hasValue(2);
  }

  @Test
  void shouldEncodeOnceForAllThatAskAtOnceAndFailThemAllWhenItFails() throws Exception {
    EmbeddingCache cache = cache(1000, null, null);
    CountDownLatch encoding = new CountDownLatch(1);
    CountDownLatch mayFail = new CountDownLatch(1);
    Supplier<Tensor> failing =
        () -> {
          runs.incrementAndGet();
          encoding.countDown();
          try {
            assertThat(mayFail.await(1, TimeUnit.MINUTES)).isTrue();
          } catch (InterruptedException e) {
            throw new AssertionError(e);
          }
          throw new LongtakeException(ErrorCode.UNREACHABLE, "gone");
        };
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<Tensor>> asked = new ArrayList<>();
      asked.add(threads.submit(() -> cache.get(key(1), /* isNullText= */ false, failing)));
      assertThat(encoding.await(1, TimeUnit.MINUTES)).isTrue();
      for (int i = 0; i < 5; i++) {
        asked.add(threads.submit(() -> cache.get(key(1), /* isNullText= */ false, failing)));
      }
      get(cache, 2);
      mayFail.countDown();
      for (Future<Tensor> one : asked) {
        assertThatThrownBy(() -> one.get(1, TimeUnit.MINUTES))
            .isInstanceOf(ExecutionException.class)
            .hasMessageContaining("gone");
      }
    }
    assertThat(get(cache, 1)).isEqualTo(tensor(1));
  }

  @Test
  void shouldAskForTokenIdsOnce() {
    EmbeddingCache cache = cache(10_000, null, null);
    AtomicInteger asked = new AtomicInteger();
    for (int i = 0; i < 3; i++) {
      assertThat(
              cache.tokens(
                  "encoder",
                  "a prompt",
                  () -> {
                    asked.incrementAndGet();
                    return List.of(7, 1);
                  }))
          .containsExactly(7, 1);
    }
    assertThat(asked).hasValue(1);
  }

  @Test
  void shouldKeepEmbeddingsAcrossRestarts() {
    get(cache(1000, EmbeddingFiles.open(folder, 10_000), null), 1);

    EmbeddingCache restarted = cache(1000, EmbeddingFiles.open(folder, 10_000), null);

    assertThat(get(restarted, 1)).isEqualTo(tensor(1));
    assertThat(runs).hasValue(1);
  }

  @Test
  void shouldNotUseAFileThatIsDamagedOrIsOfOtherTokens() throws Exception {
    EmbeddingFiles files = EmbeddingFiles.open(folder, 10_000);
    files.write(key(1), tensor(1));
    Path first = onlyFile();
    byte[] whole = Files.readAllBytes(first);
    byte[] damaged = whole.clone();
    damaged[damaged.length / 2] ^= 1;
    Files.write(first, damaged);

    assertThat(files.read(key(1))).isEmpty();
    assertThat(first).doesNotExist();

    files.write(key(2), tensor(2));
    // As if two texts had one digest.
    Files.write(onlyFile(), whole);
    assertThat(files.read(key(2))).isEmpty();
  }

  private Path onlyFile() throws Exception {
    try (Stream<Path> files = Files.list(folder)) {
      return files
          .reduce((a, b) -> {
            throw new AssertionError("Expected one file");
          })
          .orElseThrow();
    }
  }

  @Test
  void shouldKeepWithinTheDiskThatItMayUse() throws Exception {
    EmbeddingFiles files = EmbeddingFiles.open(folder, 1000);
    for (int id = 0; id < 30; id++) {
      files.write(key(id), tensor(id));
      assertThat(files.read(key(id))).contains(tensor(id));
    }
    long bytes = 0;
    try (Stream<Path> all = Files.list(folder)) {
      for (Path file : all.toList()) {
        bytes += Files.size(file);
      }
    }
    assertThat(bytes).isBetween(500L, 1000L);
  }

  @Test
  void shouldRefuseToTakeMoreThanHalfOfTheHeap() {
    long heapBytes = Runtime.getRuntime().maxMemory();

    assertThatThrownBy(() -> new EmbeddingCacheSettings(heapBytes, 0, null))
        .isInstanceOf(LongtakeException.class)
        .hasMessageContaining("half of the heap, " + heapBytes / 2);
    assertThatThrownBy(() -> new EmbeddingCacheSettings(0, 1, null))
        .isInstanceOf(LongtakeException.class)
        .hasMessageContaining("--embedding-disk");
  }
}
