package dev.longtake.worker.cache;

import com.github.benmanes.caffeine.cache.Ticker;
import dev.longtake.common.metrics.CacheMeters;
import dev.longtake.common.model.ModelFolder;
import dev.longtake.common.tensor.DType;
import dev.longtake.v1.CacheStatus;
import dev.longtake.worker.device.cpu.CpuDevice;
import dev.longtake.worker.engine.ComputeTurn;
import dev.longtake.worker.engine.exec.PreparedText;
import dev.longtake.worker.engine.exec.PreparedTexts;
import dev.longtake.worker.engine.exec.TextPreparation;
import dev.longtake.worker.engine.exec.TextProjector;
import dev.longtake.worker.engine.exec.TextRow;
import dev.longtake.worker.engine.exec.Weights;
import dev.longtake.worker.engine.loading.OpenModel;
import dev.longtake.worker.engine.model.TextInput;
import dev.longtake.worker.engine.program.Program;
import dev.longtake.worker.engine.trace.RankTrace;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** The demo model's weights on a device, texts for it, and caches whose clock the test moves. */
final class TextLab implements AutoCloseable {
  static final int TOKENS = 5;

  final OpenModel model;
  final CpuDevice device;
  final Program program;
  private final TextInput input;
  final Weights weights;
  final ComputeTurn turn = new ComputeTurn();
  final AtomicLong nanos = new AtomicLong();
  private final List<ConditionCache> caches = new ArrayList<>();

  TextLab() {
    model =
        OpenModel.open(
            ModelFolder.open(Path.of(System.getProperty("longtake.root", ".."), "ops/demo-model")));
    device = CpuDevice.open(1, 1L << 28);
    input = Objects.requireNonNull(model.description().text());
    program = Program.compile(model.description(), 1);
    weights = Weights.load(device, model.weights(), program, DType.F32);
  }

  /** What a text of {@link #TOKENS} takes. */
  long textBytes() {
    return PreparedText.sizeBytes(program, TOKENS);
  }

  /** What the model's null text takes at full length. */
  long nullBytes() {
    return PreparedText.sizeBytes(program, input.maxTokens());
  }

  ConditionCache cache(long limitBytes) {
    return cache(limitBytes, "revision", null, TextDigest.SHA_256);
  }

  ConditionCache cache(
      long limitBytes, String revision, @Nullable Duration expiry, TextDigest digest) {
    Ticker ticker = nanos::get;
    ConditionCache cache =
        new ConditionCache(
            device.memory(),
            revision,
            new ConditionCacheSettings(limitBytes, expiry),
            new CacheMeters(new SimpleMeterRegistry(), ConditionCache.TIER, "demo"),
            digest,
            ticker);
    caches.add(cache);
    return cache;
  }

  /** Random numbers of a seed. */
  TextRow.Encoded text(int seed) {
    Random random = new Random(seed);
    float[] values = new float[TOKENS * input.channels()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    List<Integer> ids = IntStream.range(0, TOKENS).mapToObj(i -> seed * 100 + i).toList();
    return new TextRow.Encoded(values, TOKENS, ids, /* unconditional= */ false);
  }

  TextPreparation preparation() {
    return new TextProjector(device, program, weights, new RankTrace(1).lane(0));
  }

  /** With something done before each text is prepared. */
  TextPreparation preparation(Consumer<TextRow> before) {
    TextPreparation real = preparation();
    return new TextPreparation() {
      @Override
      public Program program() {
        return program;
      }

      @Override
      public DType blockType() {
        return real.blockType();
      }

      @Override
      public PreparedText prepare(TextRow text) {
        before.accept(text);
        return real.prepare(text);
      }
    };
  }

  /** As an order would; to be closed by the caller. */
  PreparedTexts.Lease lease(ConditionCache cache, TextRow text) {
    return lease(cache, text, preparation());
  }

  PreparedTexts.Lease lease(ConditionCache cache, TextRow text, TextPreparation preparation) {
    turn.take();
    try {
      return cache.forOrder(turn).lease(text, preparation);
    } finally {
      turn.give();
    }
  }

  /** Uses a text for a moment. */
  void touch(ConditionCache cache, TextRow... texts) {
    for (TextRow text : texts) {
      lease(cache, text).close();
    }
  }

  long conditionBytes() {
    return device.memory().usedBytesByTag().getOrDefault("condition", 0L);
  }

  /** Holds at any moment at which no text is in the making. */
  void assertConsistent(ConditionCache cache) {
    CacheStatus status = cache.status();
    if (status.getBytes() != conditionBytes()
        || status.getPinnedBytes() > status.getBytes()
        || (status.getBytes() > status.getLimitBytes()
            && status.getBytes() != status.getPinnedBytes())) {
      throw new AssertionError(
          "Expected bytes as the device counts them and within the limit, but got %s and %s"
              .formatted(status, device.memory().usedBytesByTag()));
    }
  }

  @Override
  public void close() {
    caches.forEach(ConditionCache::close);
    if (conditionBytes() != 0) {
      throw new AssertionError("Leaked " + device.memory().usedBytesByTag());
    }
    weights.close();
    device.close();
    model.close();
  }
}
