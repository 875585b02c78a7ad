package dev.longtake.worker;

import dev.longtake.common.metrics.CacheMeters;
import dev.longtake.common.model.ModelDefaults;
import dev.longtake.common.model.ModelFingerprint;
import dev.longtake.common.model.ModelFolder;
import dev.longtake.common.model.ModelLimits.IntLimit;
import dev.longtake.common.model.SamplerKind;
import dev.longtake.v1.EncodeTextResponse;
import dev.longtake.v1.IntRange;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.Sampler;
import dev.longtake.worker.cache.ConditionCache;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.engine.loading.OpenModel;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.model.NullText;
import dev.longtake.worker.media.EncodedText;
import dev.longtake.worker.media.FrameDecoder;
import dev.longtake.worker.media.TextEncoder;
import dev.longtake.worker.order.EngineOrderRunner;
import dev.longtake.worker.order.ModelProfiles;
import dev.longtake.worker.order.ProtoTensors;
import dev.longtake.worker.service.PromptEncoder;
import dev.longtake.worker.service.WorkerNode;
import io.micrometer.core.instrument.MeterRegistry;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Workers that compute with the engine. */
final class EngineWorkers implements WorkerFactory {
  private final MeterRegistry registry;

  /** @param registry of the process */
  EngineWorkers(MeterRegistry registry) {
    this.registry = registry;
  }

  @Override
  public WorkerNode open(Path folder, DeviceSettings settings) {
    int threads = settings.threads();
    ModelFolder model = ModelFolder.open(folder);
    // Every weight's name and shape is checked now, so that a bad checkpoint stops the worker and
    // not a job.
    OpenModel dit = OpenModel.open(model);
    Device device = null;
    TextEncoder encoder = null;
    try {
      ModelCard card = card(model, dit);
      encoder =
          model.textEncoder().isPresent() && readsPrompts(dit.description())
              ? TextEncoder.open(model, threads)
              : null;
      device = Devices.open(settings.device(), threads, settings.memoryLimitBytes());
      long memoryBytes = device.memory().limitBytes();
      var runner =
          new EngineOrderRunner(
              device,
              dit.description(),
              dit.weights(),
              new ConditionCache(
                  device.memory(),
                  card.getFingerprint(),
                  settings.texts(memoryBytes),
                  new CacheMeters(registry, ConditionCache.TIER, card.getName())),
              () -> model.vae().isPresent() ? FrameDecoder.open(model, threads) : null,
              InstantSource.system(),
              registry);
      EnginePixels pixels = new EnginePixels(model, threads);
      Resources resources = new Resources(runner, pixels, encoder, device, dit);
      return new WorkerNode(
          card,
          device.name(),
          device.detail(),
          device.uuid(),
          Devices.busyThreads(settings),
          device.grain(),
          memoryBytes,
          runner,
          prompts(encoder),
          pixels,
          resources::close);
    } catch (Throwable e) {
      close(device, encoder, dit);
      throw e;
    }
  }

  /** Classes and pooled texts are not what the text encoder makes. */
  private static boolean readsPrompts(ModelDescription description) {
    return description.text() != null && description.pooledText() == null;
  }

  private static void close(@Nullable Device device, @Nullable TextEncoder encoder, OpenModel dit) {
    if (encoder != null) {
      encoder.close();
    }
    if (device != null) {
      device.close();
    }
    dit.close();
  }

  /** What a worker holds, closed in reverse order of opening. */
  private record Resources(
      EngineOrderRunner runner,
      EnginePixels pixels,
      @Nullable TextEncoder encoder,
      Device device,
      OpenModel dit) {
    void close() {
      runner.close();
      pixels.close();
      EngineWorkers.close(device, encoder, dit);
    }
  }

  private static @Nullable PromptEncoder prompts(@Nullable TextEncoder encoder) {
    if (encoder == null) {
      return null;
    }
    return new PromptEncoder() {
      @Override
      public EncodeTextResponse encode(String prompt) {
        EncodedText text = prompt.isEmpty() ? encoder.encodeEmpty() : encoder.encode(prompt);
        return EncodeTextResponse.newBuilder()
            .addAllTokenIds(Arrays.stream(text.tokenIds()).boxed().toList())
            .setEmbedding(
                ProtoTensors.of(
                    text.embedding(), List.of((long) text.tokens(), (long) text.channels())))
            .build();
      }

      @Override
      public EncodeTextResponse tokenize(String prompt) {
        int[] ids = prompt.isEmpty() ? encoder.tokenizeEmpty() : encoder.tokenize(prompt);
        return EncodeTextResponse.newBuilder()
            .addAllTokenIds(Arrays.stream(ids).boxed().toList())
            .build();
      }
    };
  }

  private static ModelCard card(ModelFolder model, OpenModel dit) {
    ModelDefaults defaults = model.defaults();
    ModelFingerprint fingerprint = ModelFingerprint.of(model);
    long parameters =
        dit.file().names().stream()
            .mapToLong(name -> dit.file().info(name).orElseThrow().elements())
            .sum();
    return ModelCard.newBuilder()
        .setName(model.name())
        .setFingerprint(fingerprint.model())
        .setEncoderRevision(fingerprint.textEncoder())
        .setArchitecture(dit.description().architecture())
        .setBlocks(dit.description().blocks().size())
        .setParameters(parameters)
        .setWidth(range(model.limits().width(), defaults.width()))
        .setHeight(range(model.limits().height(), defaults.height()))
        .setFrames(range(model.limits().frames(), defaults.frames()))
        .setMaxTextTokens(defaults.maxTextTokens())
        .setFps(defaults.fps())
        .setDefaultSteps(defaults.steps())
        .setDefaultGuidance(defaults.guidance())
        .setLatentChannels(defaults.latentChannels())
        .setSpatialCompression(defaults.spatialCompression())
        .setTemporalCompression(defaults.temporalCompression())
        .setTimestepTransform(defaults.timestepTransform())
        .setSampler(sampler(defaults.sampler()))
        .setGuidedChannels(defaults.guidedChannels())
        .setEncodesNullText(
            dit.description().text() != null
                && dit.description().text().nullText() instanceof NullText.Encoded)
        .setProfile(ModelProfiles.of(dit.description()))
        .build();
  }

  private static Sampler sampler(SamplerKind kind) {
    return switch (kind) {
      case RFLOW -> Sampler.SAMPLER_RECTIFIED_FLOW;
      case OPEN_SORA_2 -> Sampler.SAMPLER_GUIDED_FLOW;
      case IDDPM -> Sampler.SAMPLER_ANCESTRAL;
      case IDDPM_FLOAT32 -> Sampler.SAMPLER_ANCESTRAL_FLOAT32;
      case DDIM -> Sampler.SAMPLER_DDIM;
      case DPM_SOLVER -> Sampler.SAMPLER_DPM_SOLVER;
    };
  }

  private static IntRange range(IntLimit limit, int defaultValue) {
    return IntRange.newBuilder()
        .setMin(limit.min())
        .setMax(limit.max())
        .setMultipleOf(limit.multipleOf())
        .setDefaultValue(defaultValue)
        .build();
  }
}
