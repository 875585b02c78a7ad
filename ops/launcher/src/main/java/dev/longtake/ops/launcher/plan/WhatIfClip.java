package dev.longtake.ops.launcher.plan;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.model.ModelDefaults;
import dev.longtake.common.model.ModelFolder;
import dev.longtake.v1.ClipGeometry;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The latents of a video. A whole model's index says how its autoencoder compresses. A bare STDiT3 is taken to have Open-Sora 1.2's, which
 * makes 5 latent frames of 17 video frames and whose videos are multiples of 51 frames; other bare models have one latent frame per
 * video frame.
 */
final class WhatIfClip {
  private static final Pattern SIZE = Pattern.compile("(\\d{1,5})x(\\d{1,5})");
  private static final int MAX_SIDE = 1 << 16;

  /** Frames that Open-Sora 1.2's autoencoder takes at once, and what it makes of them. */
  private static final int MICRO_FRAMES = 17;

  private static final int MICRO_LATENT_FRAMES = 5;

  /** About two seconds, the shortest video of Open-Sora 1.2. */
  private static final int VIDEO_UNIT_FRAMES = 51;

  private static final String OPEN_SORA_12 = "STDiT3";

  /** Pixels. */
  record Size(int width, int height) {
    static Size parse(String text) {
      Matcher matcher = SIZE.matcher(text);
      if (matcher.matches()) {
        int width = Integer.parseInt(matcher.group(1));
        int height = Integer.parseInt(matcher.group(2));
        if (width >= 1 && height >= 1 && width <= MAX_SIDE && height <= MAX_SIDE) {
          return new Size(width, height);
        }
      }
      throw LongtakeException.invalidField(
          "--size",
          "Expected --size WIDTHxHEIGHT in pixels, as in 1280x720, with sides of 1 to %d, but got '%s'"
              .formatted(MAX_SIDE, text));
    }
  }

  private WhatIfClip() {}

  /**
   * The latents.
   *
   * @param architecture the model's, for bare ones
   * @param size empty for the model's own
   * @param frames of the video; empty: by the seconds, or the model's own
   * @param latentFrames goes before both
   */
  static ClipGeometry of(
      ModelFolder folder,
      String architecture,
      Optional<String> size,
      OptionalInt frames,
      OptionalDouble seconds,
      OptionalInt latentFrames) {
    ModelDefaults defaults = folder.defaults();
    Size pixels =
        size.map(Size::parse).orElseGet(() -> new Size(defaults.width(), defaults.height()));
    boolean openSora12 = folder.vae().isEmpty() && architecture.equals(OPEN_SORA_12);
    int video =
        requireCount("--frames", frames.orElseGet(() -> frames(defaults, seconds, openSora12)));
    int latents =
        latentFrames.isPresent()
            ? requireCount("--latent-frames", latentFrames.getAsInt())
            : latentFrames(video, defaults, openSora12);
    return ClipGeometry.newBuilder()
        .setLatentFrames(latents)
        .setLatentHeight(Math.ceilDiv(pixels.height, defaults.spatialCompression()))
        .setLatentWidth(Math.ceilDiv(pixels.width, defaults.spatialCompression()))
        .setPixelFrames(video)
        .setPixelHeight(pixels.height)
        .setPixelWidth(pixels.width)
        .setFps(defaults.fps())
        .build();
  }

  private static int frames(ModelDefaults defaults, OptionalDouble seconds, boolean openSora12) {
    if (seconds.isEmpty()) {
      return openSora12 ? VIDEO_UNIT_FRAMES : defaults.frames();
    }
    double value = seconds.getAsDouble();
    if (!(value > 0) || value > 86_400) {
      throw LongtakeException.invalidField(
          "--seconds", "Expected --seconds larger than 0 and at most a day, but got " + value);
    }
    double frames = value * defaults.fps();
    return (int)
        (openSora12
            ? Math.ceil(frames / VIDEO_UNIT_FRAMES) * VIDEO_UNIT_FRAMES
            : Math.max(1, Math.rint(frames)));
  }

  private static int latentFrames(int frames, ModelDefaults defaults, boolean openSora12) {
    if (!openSora12) {
      return Math.ceilDiv(frames, defaults.temporalCompression());
    }
    return frames == 1 ? 1 : Math.ceilDiv(frames, MICRO_FRAMES) * MICRO_LATENT_FRAMES;
  }

  private static int requireCount(String option, int value) {
    if (value < 1 || value > MAX_SIDE) {
      throw LongtakeException.invalidField(
          option, "Expected %s of 1 to %d, but got %d".formatted(option, MAX_SIDE, value));
    }
    return value;
  }
}
