package dev.longtake.client.cli;

import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Plan;
import dev.longtake.v1.Precision;
import dev.longtake.v1.StepCache;
import dev.longtake.v1.WireFormat;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/**
 * The options that describe a video, for picocli's {@code @Mixin}. What is absent is left to the server, and so is the
 * check of what is there: the model's ranges are known there only.
 */
public final class GenerationOptions {
  @Option(
      names = "--width",
      paramLabel = "PIXELS",
      description = "Width before enlarging (default: the model's).")
  @Nullable Integer width;

  @Option(
      names = "--height",
      paramLabel = "PIXELS",
      description = "Height before enlarging (default: the model's).")
  @Nullable Integer height;

  @Option(
      names = "--frames",
      paramLabel = "N",
      description = "Video frames (default: the model's).")
  @Nullable Integer frames;

  @Option(
      names = "--steps",
      paramLabel = "N",
      description = "Denoising steps (default: the model's).")
  @Nullable Integer steps;

  @Option(
      names = "--guidance",
      paramLabel = "X",
      description =
          "How strongly the prompt is followed; 1 is without amplification (default: the model's).")
  @Nullable Double guidance;

  @Option(
      names = "--seed",
      paramLabel = "N",
      converter = SeedConverter.class,
      description =
          "Start of the noise; the same request and seed give the same bytes (default: random).")
  @Nullable Long seed;

  @Option(
      names = "--upscale",
      paramLabel = "N",
      description = "Each pixel becomes NxN pixels in the MP4, 1 to 16 (default: 1).")
  @Nullable Integer upscale;

  @Option(
      names = "--precision",
      paramLabel = "f32|bf16",
      converter = PrecisionConverter.class,
      description = "Arithmetic of the matrix products (default: f32).")
  @Nullable Precision precision;

  @Option(
      names = "--wire-format",
      paramLabel = "FORMAT",
      converter = WireFormats.Converter.class,
      description = {
        "How activations travel between workers: stored, or for slow networks bf16 or int8-rows",
        "(default: stored). These two lose digits: the video then depends on the plan."
      })
  @Nullable WireFormat wireFormat;

  @Option(
      names = "--plan",
      paramLabel = "PLAN",
      converter = PlanText.Converter.class,
      description = {
        "Divide the work like this instead of letting the planner choose, such as",
        "'branches=2 stages=0-14,14-28 ranks=2 mode=switch parts=2 shares=2,1'; each part is"
            + " optional."
      })
  @Nullable Plan plan;

  @Option(
      names = "--step-cache",
      paramLabel = "MODE",
      converter = StepCacheText.Converter.class,
      description = {
        "Take over what earlier steps computed: faster, and another video; see"
            + " docs/step-caches.md.",
        "'broadcast spatial=2 temporal=4 cross=6' or 'first-block threshold=0.1' (default: none)."
      })
  @Nullable StepCache stepCache;

  /** The request, with only what was given. */
  public GenerationRequest toRequest(String prompt) {
    var request = GenerationRequest.newBuilder().setPrompt(prompt);
    if (width != null) {
      request.setWidth(width);
    }
    if (height != null) {
      request.setHeight(height);
    }
    if (frames != null) {
      request.setFrames(frames);
    }
    if (steps != null) {
      request.setSteps(steps);
    }
    if (guidance != null) {
      request.setGuidance(guidance);
    }
    if (seed != null) {
      request.setSeed(seed);
    }
    if (upscale != null) {
      request.setUpscale(upscale);
    }
    if (precision != null) {
      request.setPrecision(precision);
    }
    if (wireFormat != null) {
      request.setWireFormat(wireFormat);
    }
    if (plan != null) {
      request.setPlan(plan);
    }
    if (stepCache != null) {
      request.setStepCache(stepCache);
    }
    return request.build();
  }

  /** Seeds are unsigned 64-bit numbers. */
  public static final class SeedConverter implements picocli.CommandLine.ITypeConverter<Long> {
    @Override
    public Long convert(String value) {
      try {
        return Long.parseUnsignedLong(value);
      } catch (NumberFormatException e) {
        throw new TypeConversionException(
            "Expected a seed of 0 to 18446744073709551615, but got '%s'".formatted(value));
      }
    }
  }

  /** {@code f32} or {@code bf16}. */
  public static final class PrecisionConverter
      implements picocli.CommandLine.ITypeConverter<Precision> {
    @Override
    public Precision convert(String value) {
      return switch (value) {
        case "f32" -> Precision.PRECISION_F32;
        case "bf16" -> Precision.PRECISION_BF16;
        default ->
            throw new TypeConversionException(
                "Expected f32 or bf16, but got '%s'".formatted(value));
      };
    }
  }
}
