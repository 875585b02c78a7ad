package dev.longtake.client.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.longtake.v1.Broadcast;
import dev.longtake.v1.FirstBlock;
import dev.longtake.v1.StepCache;
import dev.longtake.v1.StepCacheUse;
import java.util.List;
import org.junit.jupiter.api.Test;

class StepCacheTextTest {
  @Test
  void shouldReadWhatItWrites() {
    for (String text :
        List.of(
            "broadcast spatial=2 temporal=4 cross=6",
            "broadcast mlp=3 window=450-930",
            "broadcast temporal=0 window=0.5-1000",
            "first-block threshold=0.1",
            "first-block threshold=1 refresh-every=8")) {
      assertThat(StepCacheText.format(StepCacheText.parse(text))).isEqualTo(text);
    }
    assertThat(StepCacheText.format(StepCache.getDefaultInstance())).isEqualTo("none");
  }

  @Test
  void shouldLeaveWhatIsNotGivenToTheServer() {
    assertThat(StepCacheText.parse(" broadcast   cross=6 "))
        .isEqualTo(StepCache.newBuilder().setBroadcast(Broadcast.newBuilder().setCross(6)).build());
    assertThat(StepCacheText.parse("first-block threshold=0.25"))
        .isEqualTo(
            StepCache.newBuilder()
                .setFirstBlock(FirstBlock.newBuilder().setThreshold(0.25))
                .build());
  }

  @Test
  void shouldSayHowItIsWrittenWhenATextIsWrong() {
    for (String text :
        List.of(
            "",
            "pab",
            "broadcast spatial",
            "broadcast spatial=two",
            "broadcast window=450",
            "broadcast spacial=2",
            "first-block",
            "first-block threshold=",
            "first-block refresh-every=4")) {
      assertThatThrownBy(() -> StepCacheText.parse(text))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageStartingWith("Expected 'broadcast spatial=2")
          .hasMessageEndingWith("but got '" + text + "'");
    }
  }

  @Test
  void shouldTellHowMuchWasTakenOver() {
    StepCacheUse use =
        StepCacheUse.newBuilder()
            .setSteps(30)
            .setStepsWithReuse(13)
            .setOperations(5040)
            .setSpatialReused(100)
            .setTemporalReused(20)
            .setCrossReused(3)
            .build();

    assertThat(StepCacheText.use(use))
        .isEqualTo(
            "123 of 5040 operations taken over (100 spatial, 20 temporal, 3 cross, 0 MLP) in 13 of"
                + " 30 steps");
    assertThat(StepCacheText.json(use).get("temporal_reused").getAsLong()).isEqualTo(20);
  }
}
