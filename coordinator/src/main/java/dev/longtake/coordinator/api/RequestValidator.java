package dev.longtake.coordinator.api;

import static dev.longtake.common.error.LongtakeException.invalidField;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.plan.Plans;
import dev.longtake.common.plan.WireFormat;
import dev.longtake.common.stepcache.StepCacheMode;
import dev.longtake.common.stepcache.StepCaches;
import dev.longtake.coordinator.planner.Clips;
import dev.longtake.coordinator.video.VideoFormat;
import dev.longtake.limits.InvalidFieldException;
import dev.longtake.limits.LongVideoLimits;
import dev.longtake.limits.RequestLimits;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Handover;
import dev.longtake.v1.LongVideo;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.Precision;
import java.util.random.RandomGenerator;

/** Checks a request against the model and fills in every default, so that the result can be sent again as it is. */
final class RequestValidator {
  private static final int DEFAULT_UPSCALE = 1;

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
    require(() -> RequestLimits.check(request, card));
    return withDefaults(request, card);
  }

  /**
   * As {@link #complete}, whatever the prompt is.
   *
   * @throws LongtakeException INVALID_REQUEST naming the field; INVALID_MODEL when the model can't be planned
   */
  GenerationRequest completeWithoutPrompt(GenerationRequest request, ModelCard card) {
    Clips.requirePlannable(card);
    require(() -> RequestLimits.checkWithoutPrompt(request, card));
    return withDefaults(request, card);
  }

  /**
   * Runs a check of the limits that clients know, too.
   *
   * @throws LongtakeException INVALID_REQUEST naming the field
   */
  static void require(Runnable check) {
    try {
      check.run();
    } catch (InvalidFieldException e) {
      throw invalidField(e.field(), e.getMessage());
    }
  }

  private GenerationRequest withDefaults(GenerationRequest request, ModelCard card) {
    GenerationRequest.Builder full = request.toBuilder();
    full.setWidth(request.hasWidth() ? request.getWidth() : card.getWidth().getDefaultValue());
    full.setHeight(request.hasHeight() ? request.getHeight() : card.getHeight().getDefaultValue());
    full.setFrames(request.hasFrames() ? request.getFrames() : card.getFrames().getDefaultValue());
    if (request.hasLongVideo()) {
      full.setLongVideo(withDefaults(request.getLongVideo(), full.getFrames()));
    }
    full.setSteps(request.hasSteps() ? request.getSteps() : card.getDefaultSteps());
    full.setGuidance(request.hasGuidance() ? request.getGuidance() : card.getDefaultGuidance());
    full.setUpscale(request.hasUpscale() ? request.getUpscale() : DEFAULT_UPSCALE);
    new VideoFormat(full.getWidth(), full.getHeight(), full.getUpscale(), card.getFps())
        .problem()
        .ifPresent(problem -> {
          throw invalidField("upscale", problem);
        });
    if (request.getPrecision() == Precision.PRECISION_UNSPECIFIED) {
      full.setPrecision(Precision.PRECISION_F32);
    }
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

  private static LongVideo withDefaults(LongVideo video, int frames) {
    LongVideo.Builder full = video.toBuilder();
    if (!video.hasOverlap()) {
      full.setOverlap(LongVideoLimits.defaultOverlap(frames));
    }
    if (video.getHandover() == Handover.HANDOVER_UNSPECIFIED) {
      full.setHandover(Handover.HANDOVER_LATENTS);
    }
    return full.setEditRatio(video.getEditRatio()).build();
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
}
