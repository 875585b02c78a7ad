package dev.longtake.coordinator.api;

import static dev.longtake.common.error.LongtakeException.invalidField;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.plan.Plans;
import dev.longtake.common.plan.WireFormat;
import dev.longtake.common.stepcache.StepCacheMode;
import dev.longtake.common.stepcache.StepCaches;
import dev.longtake.coordinator.planner.Clips;
import dev.longtake.coordinator.video.VideoFormat;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.IntRange;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.Precision;
import java.util.random.RandomGenerator;

/** Checks a request against the model and fills in every default, so that the result can be sent again as it is. */
final class RequestValidator {
  private static final int MAX_STEPS = 1000;
  private static final double MAX_GUIDANCE = 100;
  private static final int MAX_UPSCALE = 16;
  private static final int DEFAULT_UPSCALE = 1;

  /** No tokenizer makes so few tokens of so much text; it keeps absurd prompts away from the workers. */
  private static final int MAX_PROMPT_CHARS = 32_768;

  /** Open-Sora's timestep transform counts blocks of 17 frames: below that it divides zero by zero. */
  private static final int TRANSFORM_BLOCK_FRAMES = 17;

  private final RandomGenerator seeds;

  /**
   * @param seeds for requests without one
   */
  RequestValidator(RandomGenerator seeds) {
    this.seeds = seeds;
  }

  /**
   * @throws LongtakeException INVALID_REQUEST naming the field; INVALID_MODEL when the model can't be planned
   */
  GenerationRequest complete(GenerationRequest request, ModelCard card) {
    Clips.requirePlannable(card);
    requirePrompt("prompt", request.getPrompt(), card);
    return completeWithoutPrompt(request, card);
  }

  /**
   * As {@link #complete}, whatever the prompt is.
   *
   * @throws LongtakeException INVALID_REQUEST naming the field; INVALID_MODEL when the model can't be planned
   */
  GenerationRequest completeWithoutPrompt(GenerationRequest request, ModelCard card) {
    Clips.requirePlannable(card);
    GenerationRequest.Builder full = request.toBuilder();
    full.setWidth(within("width", request.hasWidth(), request.getWidth(), card.getWidth(), card));
    full.setHeight(
        within("height", request.hasHeight(), request.getHeight(), card.getHeight(), card));
    full.setFrames(
        within("frames", request.hasFrames(), request.getFrames(), card.getFrames(), card));
    requireTransformable(full.getFrames(), card);
    if (request.hasLongVideo()) {
      full.setLongVideo(LongVideos.complete(request.getLongVideo(), full.getFrames(), card));
    }
    full.setSteps(
        between(
            "steps", request.hasSteps() ? request.getSteps() : card.getDefaultSteps(), MAX_STEPS));
    full.setGuidance(
        guidance(request.hasGuidance() ? request.getGuidance() : card.getDefaultGuidance()));
    full.setUpscale(
        between(
            "upscale", request.hasUpscale() ? request.getUpscale() : DEFAULT_UPSCALE, MAX_UPSCALE));
    new VideoFormat(full.getWidth(), full.getHeight(), full.getUpscale(), card.getFps())
        .problem()
        .ifPresent(problem -> {
          throw invalidField("upscale", problem);
        });
    if (request.getPreviewEvery() < 0) {
      throw invalidField(
          "preview_every",
          "Expected preview_every of 0 (none) or a number of steps, but got %d"
              .formatted(request.getPreviewEvery()));
    }
    full.setPrecision(precision(request));
    full.clearStepCache();
    StepCacheMode stepCache = StepCaches.of(request.getStepCache(), card.getProfile());
    if (!stepCache.equals(StepCaches.EXACT)) {
      full.setStepCache(StepCaches.message(stepCache));
    }
    full.setWireFormat(Plans.message(wireFormat(request)));
    if (request.hasPlan()) {
      full.setPlan(
          RequestedPlans.checked(request.getPlan(), card.getProfile()).toBuilder()
              .setWireFormat(full.getWireFormat()));
    }
    if (!request.hasSeed()) {
      // 32 bits: people read seeds aloud and type them.
      full.setSeed(Integer.toUnsignedLong(seeds.nextInt()));
    }
    return full.build();
  }

  static void requirePrompt(String field, String prompt, ModelCard card) {
    if (prompt.isBlank()) {
      throw invalidField(
          field,
          "Expected a prompt of 1 to %d tokens, but it is empty; say what the video shows"
              .formatted(card.getMaxTextTokens()));
    }
    if (prompt.length() > MAX_PROMPT_CHARS) {
      throw invalidField(
          field,
          "Expected a prompt of 1 to %d tokens, but it has %d characters; shorten it"
              .formatted(card.getMaxTextTokens(), prompt.length()));
    }
  }

  private static int within(
      String field, boolean present, int value, IntRange range, ModelCard card) {
    if (!present) {
      return range.getDefaultValue();
    }
    int multiple = Math.max(1, range.getMultipleOf());
    if (value < range.getMin() || value > range.getMax() || value % multiple != 0) {
      throw invalidField(
          field,
          "Expected a %s of %d to %d%s for the model %s, but got %d"
              .formatted(
                  field,
                  range.getMin(),
                  range.getMax(),
                  multiple == 1 ? "" : " in multiples of " + multiple,
                  card.getName(),
                  value));
    }
    return value;
  }

  private static void requireTransformable(int frames, ModelCard card) {
    if (card.getTimestepTransform() && frames > 1 && frames < TRANSFORM_BLOCK_FRAMES) {
      throw invalidField(
          "frames",
          "Expected 1 frame or at least %d for the model %s, whose timestep transform is undefined between, but got %d"
              .formatted(TRANSFORM_BLOCK_FRAMES, card.getName(), frames));
    }
  }

  private static int between(String field, int value, int max) {
    if (value < 1 || value > max) {
      throw invalidField(field, "Expected %s of 1 to %d, but got %d".formatted(field, max, value));
    }
    return value;
  }

  private static double guidance(double value) {
    // NaN fails every comparison, so it is refused as well.
    if (!(Math.abs(value) <= MAX_GUIDANCE)) {
      throw invalidField(
          "guidance",
          "Expected a guidance of %s to %s, but got %s"
              .formatted(-MAX_GUIDANCE, MAX_GUIDANCE, value));
    }
    return value;
  }

  /** A plan that was asked for may name it as well. */
  private static WireFormat wireFormat(GenerationRequest request) {
    WireFormat asked = Plans.wireFormat("wire_format", request.getWireFormat());
    if (!request.hasPlan()) {
      return asked;
    }
    WireFormat ofPlan = Plans.wireFormat("plan.wire_format", request.getPlan().getWireFormat());
    boolean isAsked = request.getWireFormat() != dev.longtake.v1.WireFormat.WIRE_FORMAT_UNSPECIFIED;
    boolean isInPlan =
        request.getPlan().getWireFormat() != dev.longtake.v1.WireFormat.WIRE_FORMAT_UNSPECIFIED;
    if (isAsked && isInPlan && asked != ofPlan) {
      throw invalidField(
          "plan.wire_format",
          "Expected the wire format that the request asks for (%s) or none, but got %s"
              .formatted(asked, ofPlan));
    }
    return isInPlan ? ofPlan : asked;
  }

  private static Precision precision(GenerationRequest request) {
    return switch (request.getPrecision()) {
      case PRECISION_UNSPECIFIED, PRECISION_F32 -> Precision.PRECISION_F32;
      case PRECISION_BF16 -> Precision.PRECISION_BF16;
      case UNRECOGNIZED ->
          throw invalidField(
              "precision",
              "Expected PRECISION_F32 or PRECISION_BF16, but got the unknown value %d"
                  .formatted(request.getPrecisionValue()));
    };
  }
}
