package dev.longtake.ops.bench;

import com.google.gson.JsonObject;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.tensor.DType;
import dev.longtake.ops.model.RandomModel;
import dev.longtake.v1.ForwardRow;
import dev.longtake.v1.ForwardTask;
import dev.longtake.v1.Precision;
import dev.longtake.v1.RowCondition;
import dev.longtake.v1.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/**
 * What one worker needs in memory for one sequence of text and patches under one attention, the token-concat design of Open-Sora's
 * March 2024 models, beside what its reference needs, which expands the padding mask to queries x keys.
 */
final class AttentionMemoryBenchmark implements Benchmark {
  private static final List<Integer> TOKENS = List.of(4096, 16_384, 65_536, 262_144);
  private static final int CHANNELS = 64;
  private static final int LARGEST_GOAL = 250_000;
  private static final double GROWTH_GOAL = 1.05;

  /** For latents and output as messages; all else is off the heap. */
  private static final String HEAP = "1g";

  private static final int TEXT_TOKENS = 64;
  private static final int TEXT_CHANNELS = 64;
  private static final int LATENT_CHANNELS = 4;
  private static final int FRAME_PATCHES = 64;
  private static final int FRAME_SIDE = 16;

  @Override
  public String name() {
    return "attention-memory";
  }

  @Override
  public String description() {
    return ("Peak memory of a worker that evaluates one token-concat block over one sequence of %s"
            + " tokens, each in a process of its own; --tokens N,.. and --channels C choose"
            + " others. With %d channels in heads of 64, since at 1152 channels the longest"
            + " alone would compute for more than an hour: memory is linear in channels as"
            + " well")
        .formatted(TOKENS, CHANNELS);
  }

  @Override
  public List<Figure> run(BenchOptions options) {
    List<Integer> sizes = options.tokens().isEmpty() ? TOKENS : options.tokens();
    int channels = options.channels() == 0 ? CHANNELS : options.channels();
    sizes.forEach(AttentionMemoryBenchmark::requireTokens);
    List<Figure> figures = new ArrayList<>();
    figures.add(figure("channels", channels, "channels", Goal.none()));
    figures.add(figure("heads", heads(channels), "heads", Goal.none()));
    double first = 0;
    double last = 0;
    try (TemporaryFolder folder = TemporaryFolder.create()) {
      RandomModel model = RandomModel.of(Path.of("attention-memory"), config(channels));
      model.write(folder.path(), DType.F32, RandomModel.SHARD_BYTES, 1);
      long weights = model.program().weightBytes(DType.F32);
      for (int tokens : sizes) {
        try (WorkerProcess worker = WorkerProcess.start(folder.path(), folder.path(), HEAP)) {
          var finished = worker.run(task(tokens), Precision.PRECISION_F32);
          long device = finished.getPeakDeviceBytes() - weights;
          last = (double) device / tokens;
          first = first == 0 ? last : first;
          addSize(figures, tokens, channels, device, worker.peakResidentBytes());
        }
      }
    }
    figures.add(figure("growth", last / first, "ratio", Goal.atMost(GROWTH_GOAL)));
    figures.add(figure("largest_tokens", sizes.getLast(), "tokens", Goal.atLeast(LARGEST_GOAL)));
    return figures;
  }

  /** Float32 mask and scores, queries x keys, are what the reference has. */
  private static void addSize(
      List<Figure> figures, int tokens, int channels, long deviceBytes, double residentBytes) {
    String at = "tokens_" + tokens + ".";
    double mask = 4.0 * tokens * tokens;
    figures.add(figure(at + "device_bytes", (double) deviceBytes, "bytes", Goal.none()));
    figures.add(
        figure(at + "bytes_per_token", (double) deviceBytes / tokens, "bytes/token", Goal.none()));
    figures.add(figure(at + "peak_rss_bytes", residentBytes, "bytes", Goal.none()));
    figures.add(figure(at + "mask_would_be", mask, "bytes", Goal.none()));
    figures.add(figure(at + "scores_would_be", mask * heads(channels), "bytes", Goal.none()));
  }

  private static Figure figure(String name, double value, String unit, Goal goal) {
    return new Figure("attention_memory." + name, value, unit, goal);
  }

  private static void requireTokens(int tokens) {
    if (tokens < TEXT_TOKENS + FRAME_PATCHES || (tokens - TEXT_TOKENS) % FRAME_PATCHES != 0) {
      throw LongtakeException.invalidField(
          "--tokens",
          "Expected --tokens that are multiples of %d, from %d on, but got %d"
              .formatted(FRAME_PATCHES, TEXT_TOKENS + FRAME_PATCHES, tokens));
    }
  }

  private static int heads(int channels) {
    int dimension = channels % 72 == 0 ? 72 : 64;
    if (channels < dimension || channels % dimension != 0) {
      throw LongtakeException.invalidField(
          "--channels", "Expected --channels that are a multiple of 64 or 72, but got " + channels);
    }
    return channels / dimension;
  }

  private static JsonObject config(int channels) {
    JsonObject config = new JsonObject();
    config.addProperty("model_type", "DiT");
    config.addProperty("model_arch", "token-concat");
    config.addProperty("hidden_size", channels);
    config.addProperty("num_heads", heads(channels));
    config.addProperty("depth", 1);
    config.addProperty("mlp_ratio", 4.0);
    config.addProperty("in_channels", LATENT_CHANNELS);
    config.addProperty("patch_size", 2);
    config.addProperty("text_embed_dim", TEXT_CHANNELS);
    config.addProperty("learn_sigma", true);
    return config;
  }

  /** Text and frames of 8 x 8 patches. */
  private static ForwardTask task(int tokens) {
    int frames = (tokens - TEXT_TOKENS) / FRAME_PATCHES;
    Random random = new Random(tokens);
    Tensor latents = RandomTasks.normal(random, 1, LATENT_CHANNELS, frames, FRAME_SIDE, FRAME_SIDE);
    Tensor text = RandomTasks.normal(random, TEXT_TOKENS, TEXT_CHANNELS);
    return ForwardTask.newBuilder()
        .setGeometry(RandomTasks.clip(frames, FRAME_SIDE))
        .setLatents(latents)
        .addRows(
            ForwardRow.newBuilder()
                .setTimestep(500)
                .setCondition(RowCondition.newBuilder().setEmbedding(text)))
        .addCapture("output")
        .build();
  }
}
