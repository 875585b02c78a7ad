package dev.longtake.common.model;

import dev.longtake.common.model.ModelLimits.IntLimit;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * The reader of a {@code model_index.json}.
 *
 * @param root the folder that paths in the index are relative to; absolute and normalized
 */
record ModelIndex(Path root, JsonFields index) {
  private static final int MAX_SIDE_PIXELS = 2048;
  private static final int MAX_FRAMES = 1024;

  ModelFolder open() {
    String name = index.requireString("name");
    JsonFields ditPart = index.requireObject("dit");
    DitConfig dit = DitConfig.read(file(ditPart, "config"));
    Path ditWeights = file(ditPart, "weights");
    ModelDefaults defaults = defaults();
    if (dit.intOr("in_channels", defaults.latentChannels()) != defaults.latentChannels()) {
      throw index.wrong(
          "latent_channels",
          "%d, the in_channels of %s,".formatted(dit.requireInt("in_channels"), dit.file()),
          Integer.toString(defaults.latentChannels()));
    }
    return new ModelFolder(
        root,
        name,
        dit,
        ditWeights,
        index.object("text_encoder").map(this::textEncoder),
        index.object("vae").map(part -> vae(part, defaults.latentChannels())),
        defaults,
        limits(defaults));
  }

  /** An existing file inside the folder: a model from elsewhere has no business outside it. */
  private Path file(JsonFields part, String key) {
    String relative = part.requireString(key);
    try {
      Path file = root.resolve(relative).normalize();
      if (file.startsWith(root)) {
        return JsonFields.requireFile(file);
      }
    } catch (InvalidPathException e) {
      throw part.wrong(key, "a path", relative);
    }
    throw part.wrong(key, "a path inside the model folder", relative);
  }

  private TextEncoderFiles textEncoder(JsonFields part) {
    Path config = file(part, "config");
    return new TextEncoderFiles(
        file(part, "tokenizer"),
        file(part, "onnx"),
        config,
        JsonFields.read(config).intFrom(0, "pad_token_id").orElse(0));
  }

  private VaeFiles vae(JsonFields part, int channels) {
    return new VaeFiles(
        file(part, "decoder_onnx"),
        part.has("encoder_onnx") ? Optional.of(file(part, "encoder_onnx")) : Optional.empty(),
        file(part, "config"),
        perChannel("shift", channels),
        perChannel("scale", channels));
  }

  private List<Float> perChannel(String key, int channels) {
    List<Float> values = index.requireDoubles(key).stream().map(Double::floatValue).toList();
    if (values.size() != channels) {
      throw index.wrong(
          key,
          "%d numbers, one per latent channel,".formatted(channels),
          "%d: %s".formatted(values.size(), values));
    }
    return values;
  }

  private ModelDefaults defaults() {
    SamplerKind sampler = sampler();
    double fps = index.requireDouble("fps");
    if (fps <= 0) {
      throw index.wrong("fps", "a number above 0", Double.toString(fps));
    }
    return new ModelDefaults(
        index.requireIntFrom(1, "num_frames"),
        index.requireIntFrom(1, "height"),
        index.requireIntFrom(1, "width"),
        fps,
        index.requireIntFrom(1, "num_sampling_steps"),
        sampler,
        index.requireDouble("cfg_scale"),
        index.intFrom(0, "guided_channels").orElse(0),
        sampler == SamplerKind.RFLOW && index.requireBoolean("use_timestep_transform"),
        index.intFrom(1, "num_timesteps").orElse(1000),
        index.requireIntFrom(1, "spatial_compression"),
        index.requireIntFrom(1, "temporal_compression"),
        index.requireIntFrom(1, "latent_channels"),
        index.requireIntFrom(1, "model_max_length"),
        index.intFrom(0, "condition_frame_length").orElse(0));
  }

  /** Another than the model was made for would run, and give a wrong video. */
  private SamplerKind sampler() {
    String label = index.string("scheduler").orElse(SamplerKind.RFLOW.label());
    return SamplerKind.of(label)
        .orElseThrow(() ->
            index.wrong("scheduler", "one of " + String.join(", ", SamplerKind.labels()), label));
  }

  /** For a model that names none: what its autoencoder can express, up to sizes that somebody may want. */
  static ModelLimits defaultLimits(int spatialCompression) {
    IntLimit side =
        new IntLimit(
            spatialCompression, Math.max(MAX_SIDE_PIXELS, spatialCompression), spatialCompression);
    return new ModelLimits(side, side, new IntLimit(1, MAX_FRAMES, 1));
  }

  private ModelLimits limits(ModelDefaults defaults) {
    int side = defaults.spatialCompression();
    ModelLimits limits =
        index
            .object("limits")
            .map(fields ->
                new ModelLimits(
                    limit(fields, "height", side),
                    limit(fields, "width", side),
                    limit(fields, "frames", 1)))
            .orElseGet(() -> defaultLimits(side));
    requireAllowed("height", defaults.height(), limits.height());
    requireAllowed("width", defaults.width(), limits.width());
    requireAllowed("num_frames", defaults.frames(), limits.frames());
    return limits;
  }

  private static IntLimit limit(JsonFields limits, String key, int unit) {
    JsonFields fields = limits.requireObject(key);
    int min = fields.requireIntFrom(1, "min");
    int max = fields.requireIntFrom(min, "max");
    Optional<Integer> multipleOf = fields.intFrom(1, "multiple_of");
    if (multipleOf.orElse(unit) % unit != 0) {
      throw fields.wrong(
          "multiple_of",
          "a multiple of %d, the spatial compression,".formatted(unit),
          multipleOf.orElse(unit).toString());
    }
    return new IntLimit(min, max, multipleOf.orElse(unit));
  }

  private void requireAllowed(String key, int value, IntLimit limit) {
    if (!limit.allows(value)) {
      throw index.wrong(key, limit + " (the limits),", Integer.toString(value));
    }
  }
}
