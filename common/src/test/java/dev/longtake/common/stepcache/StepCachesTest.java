package dev.longtake.common.stepcache;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.AttentionProfile;
import dev.longtake.v1.AttentionProfile.Axis;
import dev.longtake.v1.BlockProfile;
import dev.longtake.v1.Broadcast;
import dev.longtake.v1.FirstBlock;
import dev.longtake.v1.ModelProfile;
import dev.longtake.v1.StepCache;
import java.util.Arrays;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;

class StepCachesTest {
  private static final ModelProfile VIDEO = model(1, 1, Axis.AXIS_SPATIAL, Axis.AXIS_TEMPORAL);

  /** Of labelled pictures: no attention across frames, none to a text. */
  private static final ModelProfile PICTURES = model(0, 1, Axis.AXIS_SPATIAL, Axis.AXIS_SPATIAL);

  private static final ModelProfile SEQUENCE = model(0, 0, Axis.AXIS_FULL);

  /** A block for each axis. */
  private static ModelProfile model(int textAttentions, int mlps, Axis... axes) {
    ModelProfile.Builder profile = ModelProfile.newBuilder();
    Arrays.stream(axes)
        .forEach(axis ->
            profile.addBlocks(
                BlockProfile.newBuilder()
                    .addAttentions(AttentionProfile.newBuilder().setAxis(axis))
                    .setTextAttentions(textAttentions)
                    .setMlps(mlps)));
    return profile.build();
  }

  private static StepCache broadcast(UnaryOperator<Broadcast.Builder> change) {
    return StepCache.newBuilder().setBroadcast(change.apply(Broadcast.newBuilder())).build();
  }

  private static StepCache firstBlock(UnaryOperator<FirstBlock.Builder> change) {
    return StepCache.newBuilder().setFirstBlock(change.apply(FirstBlock.newBuilder())).build();
  }

  @Test
  void shouldFillInWhatIsPublishedWhenAWindowIsLeftOut() {
    StepCacheMode mode =
        StepCaches.of(broadcast(b -> b.setSpatial(2).setTemporal(4).setCross(6)), VIDEO);

    assertThat(mode)
        .isEqualTo(
            new StepCacheMode.Broadcast(
                Map.of(Reusable.SPATIAL, 2, Reusable.TEMPORAL, 4, Reusable.CROSS, 6), 450, 930));
    assertThat(StepCaches.of(StepCaches.message(mode), VIDEO)).isEqualTo(mode);
    assertThat(StepCaches.words(mode))
        .isEqualTo("broadcast spatial=2 temporal=4 cross=6 window=450.0-930.0");
    assertThat(StepCaches.of(StepCache.getDefaultInstance(), VIDEO)).isEqualTo(StepCaches.EXACT);
    assertThat(StepCaches.message(StepCaches.EXACT)).isEqualTo(StepCache.getDefaultInstance());
  }

  @Test
  void shouldKeepNothingWhenEveryRangeIsOne() {
    assertThat(StepCaches.of(broadcast(b -> b.setSpatial(1).setMlp(1)), VIDEO).keepsNothing())
        .isTrue();
    assertThat(StepCaches.of(broadcast(b -> b.setSpatial(1).setMlp(2)), VIDEO).operations())
        .containsExactly(Reusable.MLP);
  }

  @Test
  void shouldTakeAttentionOverAllTokensAsSpatial() {
    assertThat(StepCaches.of(broadcast(b -> b.setSpatial(2)), SEQUENCE).operations())
        .containsExactly(Reusable.SPATIAL);
  }

  @Test
  void shouldRefuseInASentenceWhatTheModelOrTheScheduleHasNot() {
    assertRefused(
        broadcast(b -> b.setTemporal(2)), PICTURES, "temporal", "attention across frames");
    assertRefused(broadcast(b -> b.setCross(2)), PICTURES, "cross", "attention to the text");
    assertRefused(broadcast(b -> b.setMlp(2)), SEQUENCE, "mlp", "the model has none");
    assertRefused(broadcast(b -> b), VIDEO, "broadcast", "at least one of");
    assertRefused(broadcast(b -> b.setSpatial(0)), VIDEO, "spatial", "1 (computes", "got 0");
    assertRefused(broadcast(b -> b.setMlp(-3)), VIDEO, "mlp", "got -3");
    assertRefused(broadcast(b -> b.setCross(1001)), VIDEO, "cross", "got 1001");
    for (double[] window : new double[][] {{-1, 500}, {500, 1001}, {500, 500}, {Double.NaN, 9}}) {
      assertRefused(
          broadcast(b -> b.setSpatial(2).setWindowFrom(window[0]).setWindowTo(window[1])),
          VIDEO,
          "window_from",
          "within the schedule",
          "but got " + window[0]);
    }
    for (double threshold : new double[] {-0.1, 1.1, Double.NaN, Double.POSITIVE_INFINITY}) {
      assertRefused(
          firstBlock(f -> f.setThreshold(threshold)), VIDEO, "threshold", "got " + threshold);
    }
    assertRefused(firstBlock(f -> f.setRefreshEvery(0)), VIDEO, "refresh_every", "got 0");
    assertRefused(firstBlock(f -> f), SEQUENCE, "first_block", "1 block");
  }

  private static void assertRefused(StepCache cache, ModelProfile profile, String... words) {
    assertThatThrownBy(() -> StepCaches.of(cache, profile))
        .isInstanceOfSatisfying(
            LongtakeException.class,
            e -> {
              assertThat(e.code()).isEqualTo(ErrorCode.INVALID_REQUEST);
              assertThat(e.field().orElse("")).startsWith("step_cache").endsWith(words[0]);
              assertThat(e.getMessage())
                  .startsWith("Expected ")
                  .contains(Arrays.copyOfRange(words, 1, words.length));
            });
  }
}
