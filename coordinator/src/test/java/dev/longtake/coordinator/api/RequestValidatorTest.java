package dev.longtake.coordinator.api;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.Broadcast;
import dev.longtake.v1.FirstBlock;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.IntRange;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.Plan;
import dev.longtake.v1.StepCache;
import dev.longtake.v1.WireFormat;
import java.util.List;
import java.util.Random;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;

final class RequestValidatorTest {
  private final RequestValidator validator = new RequestValidator(new Random(1));

  private static ModelCard.Builder card() {
    IntRange.Builder edge =
        IntRange.newBuilder().setMin(16).setMax(2048).setMultipleOf(16).setDefaultValue(64);
    return ModelCard.newBuilder()
        .setName("shapes")
        .setWidth(edge)
        .setHeight(edge)
        .setFrames(IntRange.newBuilder().setMin(1).setMax(64).setMultipleOf(1).setDefaultValue(16))
        .setMaxTextTokens(32)
        .setFps(8)
        .setDefaultSteps(30)
        .setDefaultGuidance(3)
        .setSpatialCompression(8)
        .setTemporalCompression(1);
  }

  private static GenerationRequest request(UnaryOperator<GenerationRequest.Builder> change) {
    return change.apply(GenerationRequest.newBuilder().setPrompt("a red circle")).build();
  }

  private record Bad(
      String field, String allowed, UnaryOperator<GenerationRequest.Builder> change) {}

  @Test
  void shouldNameFieldValueAndLimitsWhenAFieldIsBad() {
    List<Bad> all =
        List.of(
            new Bad("prompt", "1 to 32 tokens, but it is empty", r -> r.setPrompt("")),
            new Bad("prompt", "it is empty", r -> r.setPrompt(" \n\t")),
            new Bad("prompt", "but it has 40000 characters", r -> r.setPrompt("x".repeat(40_000))),
            new Bad(
                "width",
                "16 to 2048 in multiples of 16 for the model shapes, but got 0",
                r -> r.setWidth(0)),
            new Bad("width", "but got 2064", r -> r.setWidth(2064)),
            new Bad("width", "but got 65", r -> r.setWidth(65)),
            new Bad("height", "but got -16", r -> r.setHeight(-16)),
            new Bad("frames", "1 to 64 for the model shapes, but got 0", r -> r.setFrames(0)),
            new Bad("frames", "but got 65", r -> r.setFrames(65)),
            new Bad("steps", "1 to 1000, but got 0", r -> r.setSteps(0)),
            new Bad("steps", "but got -1", r -> r.setSteps(-1)),
            new Bad("steps", "but got 1001", r -> r.setSteps(1001)),
            new Bad("guidance", "-100.0 to 100.0, but got NaN", r -> r.setGuidance(Double.NaN)),
            new Bad("guidance", "but got Infinity", r -> r.setGuidance(Double.POSITIVE_INFINITY)),
            new Bad("guidance", "but got -Infinity", r -> r.setGuidance(Double.NEGATIVE_INFINITY)),
            new Bad("guidance", "but got 100.5", r -> r.setGuidance(100.5)),
            new Bad("upscale", "1 to 16, but got 0", r -> r.setUpscale(0)),
            new Bad("upscale", "but got 17", r -> r.setUpscale(17)),
            new Bad("upscale", "choose a smaller upscale", r -> r.setWidth(2048).setUpscale(4)),
            new Bad("precision", "unknown value 7", r -> r.setPrecisionValue(7)),
            new Bad(
                "step_cache.broadcast.spatial",
                "1 (computes in every step) to 1000 steps for attention within frames, but got 0",
                r ->
                    r.setStepCache(
                        StepCache.newBuilder().setBroadcast(Broadcast.newBuilder().setSpatial(0)))),
            new Bad("wire_format", "this version knows", r -> r.setWireFormatValue(9)),
            new Bad(
                "plan.wire_format",
                "that the request asks for (BF16) or none, but got INT8_ROWS",
                r ->
                    r.setWireFormat(WireFormat.WIRE_FORMAT_BF16)
                        .setPlan(
                            Plan.newBuilder()
                                .setSequenceRanks(2)
                                .setWireFormat(WireFormat.WIRE_FORMAT_INT8_ROWS))));
    for (Bad bad : all) {
      assertThatThrownBy(() -> validator.complete(request(bad.change), card().build()))
          .as("%s: %s", bad.field, bad.allowed)
          .isInstanceOfSatisfying(
              LongtakeException.class,
              e -> {
                assertThat(e.code()).isEqualTo(ErrorCode.INVALID_REQUEST);
                assertThat(e.field()).hasValue(bad.field);
                assertThat(e.getMessage()).startsWith("Expected ").contains(bad.allowed);
              });
    }
  }

  @Test
  void shouldAcceptTheEndsOfEveryRange() {
    validator.complete(request(r -> r.setWidth(16).setHeight(2048).setFrames(1)), card().build());
    validator.complete(request(r -> r.setFrames(64).setSteps(1).setGuidance(-100)), card().build());
    GenerationRequest full =
        validator.complete(
            request(r -> r.setSteps(1000).setGuidance(100).setUpscale(16)), card().build());

    assertThat(validator.complete(full, card().build())).isEqualTo(full);
  }

  @Test
  void shouldLabelRequestAndPlanWhenEitherNamesAWireFormat() {
    Plan plan = Plan.newBuilder().setSequenceRanks(2).build();
    WireFormat bf16 = WireFormat.WIRE_FORMAT_BF16;
    List<UnaryOperator<GenerationRequest.Builder>> ways =
        List.of(
            r -> r.setWireFormat(bf16).setPlan(plan),
            r -> r.setPlan(plan.toBuilder().setWireFormat(bf16)),
            r -> r.setWireFormat(bf16).setPlan(plan.toBuilder().setWireFormat(bf16)));
    for (UnaryOperator<GenerationRequest.Builder> way : ways) {
      GenerationRequest full = validator.complete(request(way), card().build());
      assertThat(full.getWireFormat()).isEqualTo(bf16);
      assertThat(full.getPlan().getWireFormat()).isEqualTo(bf16);
      assertThat(validator.complete(full, card().build())).isEqualTo(full);
    }
    assertThat(validator.complete(request(r -> r), card().build()).getWireFormat())
        .isEqualTo(WireFormat.WIRE_FORMAT_STORED);
  }

  @Test
  void shouldFillInTheStepCacheWhenThereIsOne() {
    StepCache asked =
        StepCache.newBuilder().setFirstBlock(FirstBlock.newBuilder().setThreshold(0.1)).build();

    GenerationRequest full =
        validator.complete(request(r -> r.setStepCache(asked)), card().build());

    assertThat(full.getStepCache().getFirstBlock().getRefreshEvery()).isEqualTo(8);
    assertThat(validator.complete(full, card().build())).isEqualTo(full);
    assertThat(validator.complete(request(r -> r), card().build()).hasStepCache()).isFalse();
  }

  @Test
  void shouldRefuseFewFramesWhenTheTransformIsUndefinedForThem() {
    ModelCard card = card().setTimestepTransform(true).build();

    for (int frames : new int[] {2, 16}) {
      assertThatThrownBy(() -> validator.complete(request(r -> r.setFrames(frames)), card))
          .isInstanceOfSatisfying(
              LongtakeException.class, e -> assertThat(e.field()).hasValue("frames"))
          .hasMessageContaining("1 frame or at least 17");
    }
    assertThat(validator.complete(request(r -> r.setFrames(1)), card).getFrames()).isEqualTo(1);
    assertThat(validator.complete(request(r -> r.setFrames(17)), card).getFrames()).isEqualTo(17);
  }

  @Test
  void shouldRefuseWhenTheModelsDefaultsAreOutOfRange() {
    assertThatThrownBy(() -> validator.complete(request(r -> r), card().setDefaultSteps(0).build()))
        .isInstanceOfSatisfying(
            LongtakeException.class, e -> assertThat(e.field()).hasValue("steps"));
    assertThatThrownBy(() ->
            validator.complete(request(r -> r), card().setDefaultGuidance(Double.NaN).build()))
        .isInstanceOfSatisfying(
            LongtakeException.class, e -> assertThat(e.field()).hasValue("guidance"));
  }

  @Test
  void shouldRefuseWhenTheModelCannotBePlanned() {
    for (ModelCard card :
        List.of(
            card().setTemporalCompression(4).build(), card().setSpatialCompression(0).build())) {
      assertThatThrownBy(() -> validator.complete(request(r -> r), card))
          .isInstanceOfSatisfying(
              LongtakeException.class,
              e -> assertThat(e.code()).isEqualTo(ErrorCode.INVALID_MODEL));
    }
  }
}
