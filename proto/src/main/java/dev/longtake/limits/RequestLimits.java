package dev.longtake.limits;

import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.IntRange;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.Precision;

/**
 * The limits of a clip: those of the model, as its card tells them, and those of every model. What a request leaves open is taken as the
 * model's default, and checked as well. Whether the prompt has too many tokens and whether a requested plan fits, only the cluster knows.
 */
public final class RequestLimits {
  /** Most denoising steps. */
  public static final int MAX_STEPS = 1000;

  /** Largest size of the guidance, positive or negative. */
  public static final double MAX_GUIDANCE = 100;

  /** Most pixels that each generated pixel becomes, along each side. */
  public static final int MAX_UPSCALE = 16;

  /** Most characters of a prompt: no tokenizer makes so few tokens of so much text. */
  public static final int MAX_PROMPT_CHARS = 32_768;

  /** Largest picture or video that a video begins with. */
  public static final int MAX_MEDIA_BYTES = 32 << 20;

  /** Open-Sora's timestep transform counts blocks of 17 frames: below that it divides zero by zero. */
  private static final int TRANSFORM_BLOCK_FRAMES = 17;

  private RequestLimits() {}

  /**
   * Checks the whole request.
   *
   * @throws InvalidFieldException for the first field that is outside its limits
   */
  public static void check(GenerationRequest request, ModelCard card) {
    checkPrompt("prompt", request.getPrompt(), card);
    checkWithoutPrompt(request, card);
  }

  /**
   * As {@link #check}, whatever the prompt is.
   *
   * @throws InvalidFieldException for the first field that is outside its limits
   */
  public static void checkWithoutPrompt(GenerationRequest request, ModelCard card) {
    if (request.hasWidth()) {
      checkRange("width", request.getWidth(), card.getWidth(), card);
    }
    if (request.hasHeight()) {
      checkRange("height", request.getHeight(), card.getHeight(), card);
    }
    if (request.hasFrames()) {
      checkRange("frames", request.getFrames(), card.getFrames(), card);
    }
    int frames = request.hasFrames() ? request.getFrames() : card.getFrames().getDefaultValue();
    checkTransformable(frames, card);
    if (request.hasLongVideo()) {
      LongVideoLimits.check(request.getLongVideo(), frames, card);
    }
    checkBetween(
        "steps", request.hasSteps() ? request.getSteps() : card.getDefaultSteps(), MAX_STEPS);
    checkGuidance(request.hasGuidance() ? request.getGuidance() : card.getDefaultGuidance());
    if (request.hasUpscale()) {
      checkBetween("upscale", request.getUpscale(), MAX_UPSCALE);
    }
    if (request.getPreviewEvery() < 0) {
      throw new InvalidFieldException(
          "preview_every",
          "Expected preview_every of 0 (none) or a number of steps, but got %d"
              .formatted(request.getPreviewEvery()));
    }
    if (request.getPrecision() == Precision.UNRECOGNIZED) {
      throw new InvalidFieldException(
          "precision",
          "Expected PRECISION_F32 or PRECISION_BF16, but got the unknown value %d"
              .formatted(request.getPrecisionValue()));
    }
  }

  /**
   * Checks the size of what a video begins with.
   *
   * @throws InvalidFieldException when it is too large
   */
  public static void checkMedia(long bytes) {
    if (bytes > MAX_MEDIA_BYTES) {
      throw new InvalidFieldException(
          "media",
          "Expected a picture or video of at most %d MiB, but got %d bytes; cut the video to its last seconds"
              .formatted(MAX_MEDIA_BYTES >> 20, bytes));
    }
  }

  static void checkPrompt(String field, String prompt, ModelCard card) {
    if (prompt.isBlank()) {
      throw new InvalidFieldException(
          field,
          "Expected a prompt of 1 to %d tokens, but it is empty; say what the video shows"
              .formatted(card.getMaxTextTokens()));
    }
    if (prompt.length() > MAX_PROMPT_CHARS) {
      throw new InvalidFieldException(
          field,
          "Expected a prompt of 1 to %d tokens, but it has %d characters; shorten it"
              .formatted(card.getMaxTextTokens(), prompt.length()));
    }
  }

  private static void checkRange(String field, int value, IntRange range, ModelCard card) {
    int multiple = Math.max(1, range.getMultipleOf());
    if (value < range.getMin() || value > range.getMax() || value % multiple != 0) {
      throw new InvalidFieldException(
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
  }

  private static void checkTransformable(int frames, ModelCard card) {
    if (card.getTimestepTransform() && frames > 1 && frames < TRANSFORM_BLOCK_FRAMES) {
      throw new InvalidFieldException(
          "frames",
          "Expected 1 frame or at least %d for the model %s, whose timestep transform is undefined between, but got %d"
              .formatted(TRANSFORM_BLOCK_FRAMES, card.getName(), frames));
    }
  }

  private static void checkGuidance(double guidance) {
    // NaN fails every comparison, so it is refused as well.
    if (!(Math.abs(guidance) <= MAX_GUIDANCE)) {
      throw new InvalidFieldException(
          "guidance",
          "Expected a guidance of %s to %s, but got %s"
              .formatted(-MAX_GUIDANCE, MAX_GUIDANCE, guidance));
    }
  }

  private static void checkBetween(String field, int value, int max) {
    if (value < 1 || value > max) {
      throw new InvalidFieldException(
          field, "Expected %s of 1 to %d, but got %d".formatted(field, max, value));
    }
  }
}
