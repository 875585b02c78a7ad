package dev.longtake.coordinator.planner;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.partition.Range;
import dev.longtake.common.plan.SequenceMode;
import dev.longtake.coordinator.planner.SplitWalk.Split;
import dev.longtake.v1.AttentionProfile.Axis;
import dev.longtake.v1.ModelProfile;
import org.junit.jupiter.api.Test;

class SplitWalkTest {
  private static final ModelProfile PAIRS = Models.stdit3(8, 4, 3);

  @Test
  void shouldSwitchTwiceAPairWhenInTheMiddle() {
    SplitWalk walk = new SplitWalk(PAIRS, SequenceMode.SWITCH, 2);

    assertThat(walk.toPatch(new Range(0, 6))).isEqualTo(3);
    assertThat(walk.toFrame(new Range(0, 6))).isEqualTo(2);
    assertThat(walk.before(3)).isEqualTo(Split.FRAME);
    assertThat(walk.before(4)).isEqualTo(Split.PATCH);
    assertThat(walk.switchesPrediction()).isTrue();
    assertThat(walk.switchesEmbedding()).isFalse();
    // The stage that begins with a spatial block gets its tokens by patch and switches.
    assertThat(walk.toFrame(new Range(2, 4))).isEqualTo(1);
  }

  @Test
  void shouldConflictWhereTheSplitIsWrongWhenItStays() {
    SplitWalk byFrame = new SplitWalk(PAIRS, SequenceMode.HEADS, 2);
    SplitWalk byPatch = new SplitWalk(PAIRS, SequenceMode.PATCH_GATHER, 2);

    assertThat(byFrame.conflicts(new Range(0, 1))).isZero();
    assertThat(byFrame.conflicts(new Range(1, 2))).isEqualTo(1);
    assertThat(byFrame.switches()).isFalse();
    assertThat(byPatch.conflicts(new Range(0, 1))).isEqualTo(1);
    assertThat(byPatch.conflicts(new Range(1, 2))).isZero();
    assertThat(byPatch.switchesEmbedding()).isTrue();
    assertThat(byPatch.switchesPrediction()).isTrue();
  }

  @Test
  void shouldConflictEverywhereWhenAttentionIsOverAllTokens() {
    SplitWalk walk = new SplitWalk(Models.joint(8, 2, 4), SequenceMode.PATCH_HEADS, 3);

    assertThat(walk.conflicts(new Range(0, 4))).isEqualTo(4);
  }

  @Test
  void shouldDoNothingWhenThereIsOneRank() {
    SplitWalk walk = new SplitWalk(PAIRS, SequenceMode.PATCH_HEADS, 1);

    assertThat(walk.switches()).isFalse();
    assertThat(walk.conflicts()).isFalse();
    assertThat(walk.switchesPrediction()).isFalse();
  }

  @Test
  void shouldSwitchWithinABlockWhenItHasBothAttentions() {
    ModelProfile profile =
        Models.edges(8, 2)
            .addBlocks(Models.block("blocks", 8, 1, 1, Axis.AXIS_SPATIAL, Axis.AXIS_TEMPORAL))
            .addBlocks(Models.block("blocks", 8, 1, 1, Axis.AXIS_SPATIAL, Axis.AXIS_TEMPORAL))
            .build();
    SplitWalk walk = new SplitWalk(profile, SequenceMode.SWITCH, 2);

    // Two forms: the first block begins by frame, the second by patch.
    assertThat(walk.forms()).hasSize(2);
    assertThat(walk.toPatch(new Range(0, 1))).isEqualTo(1);
    assertThat(walk.toFrame(new Range(0, 1))).isZero();
    assertThat(walk.toFrame(new Range(1, 2))).isEqualTo(1);
  }
}
