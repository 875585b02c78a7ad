package dev.longtake.worker.engine.exec;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.partition.Range;
import dev.longtake.worker.device.Sequences;
import dev.longtake.worker.engine.model.Axis;
import dev.longtake.worker.engine.model.Stream;
import dev.longtake.worker.engine.program.Split;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Rows of a rank's tokens, for random clips, texts and numbers of ranks. */
class TokenLayoutTest {
  private static final int CLIPS = 300;

  /** What a row of patches holds. */
  private record Token(int branch, int frame, int patch) {}

  private static Token token(TokenLayout layout, int row) {
    int inBranch = layout.frames().size() * layout.patches().size();
    int patchRow = row - layout.textRows();
    return new Token(
        patchRow / inBranch,
        layout.frames().start() + patchRow % inBranch / layout.patches().size(),
        layout.patches().start() + patchRow % layout.patches().size());
  }

  private static TokenLayout layout(Random random, boolean text) {
    Geometry clip = Rows.geometry(random);
    int rank = random.nextInt(clip.ranks());
    Geometry geometry = Rows.at(clip, rank);
    TokenLayout patches = geometry.patches(random.nextBoolean() ? Split.FRAME : Split.PATCH);
    var sequence = new JointSequence(geometry, Rows.condition(geometry, random), text);
    return new TokenLayout(
        patches.branches(), patches.frames(), patches.patches(), sequence.textRanges(rank));
  }

  @Test
  void shouldDivideAllRowsAmongStreamsAndBranches() {
    for (int seed = 0; seed < CLIPS; seed++) {
      TokenLayout layout = layout(new Random(seed), /* text= */ true);
      List<Range> pieces = new ArrayList<>();
      for (int branch = 0; branch < layout.branches().size(); branch++) {
        pieces.add(layout.textRows(branch));
      }
      for (int branch = 0; branch < layout.branches().size(); branch++) {
        pieces.add(layout.patchRows(branch));
      }

      assertThat(Rows.of(pieces)).as("seed %d", seed).isEqualTo(Rows.all(layout.rows()));
      assertThat(Rows.of(List.of(layout.rows(Stream.TEXT), layout.rows(Stream.PATCHES))))
          .isEqualTo(Rows.all(layout.rows()));
      assertThat(Rows.of(List.of(layout.rows(Stream.ALL)))).isEqualTo(Rows.all(layout.rows()));
      assertThat(Rows.of(layout.branchSequences(Stream.ALL))).isEqualTo(Rows.all(layout.rows()));
      assertThat(Rows.of(layout.branchSequences(Stream.PATCHES)))
          .isEqualTo(Rows.of(List.of(layout.rows(Stream.PATCHES))));
      assertThat(Rows.of(layout.branchSequences(Stream.TEXT)))
          .isEqualTo(Rows.of(List.of(layout.rows(Stream.TEXT))));
    }
  }

  @Test
  void shouldAttendWithinOneFrameOrAcrossFramesAtOnePatch() {
    for (int seed = 0; seed < CLIPS; seed++) {
      TokenLayout layout = layout(new Random(seed), /* text= */ false);
      for (Axis axis : Axis.values()) {
        Sequences sequences = layout.sequences(axis);
        assertThat(Rows.of(sequences))
            .as("seed %d, %s", seed, axis)
            .containsExactlyInAnyOrderElementsOf(Rows.all(layout.rows()));
        for (int i = 0; i < sequences.count(); i++) {
          List<Token> tokens =
              Rows.of(sequences, i).stream().map(row -> token(layout, row)).toList();
          Set<Object> shared = new HashSet<>();
          tokens.forEach(token -> shared.add(shared(axis, token)));
          assertThat(shared).as("seed %d, %s", seed, axis).hasSizeLessThanOrEqualTo(1);
        }
      }
    }
  }

  /** What all tokens of a sequence have in common. */
  private static List<Integer> shared(Axis axis, Token token) {
    return switch (axis) {
      case SPATIAL -> List.of(token.branch(), token.frame());
      case TEMPORAL -> List.of(token.branch(), token.patch());
      case FULL -> List.of(token.branch());
    };
  }

  @Test
  void shouldDivideFramesAndPatchesAmongTheRanks() {
    for (int seed = 0; seed < CLIPS; seed++) {
      Geometry clip = Rows.geometry(new Random(seed));
      List<Range> frames = new ArrayList<>();
      List<Range> patches = new ArrayList<>();
      List<Range> latentFrames = new ArrayList<>();
      for (int rank = 0; rank < clip.ranks(); rank++) {
        Geometry geometry = Rows.at(clip, rank);
        TokenLayout byFrame = geometry.patches(Split.FRAME);
        TokenLayout byPatch = geometry.patches(Split.PATCH);
        frames.add(byFrame.frames());
        patches.add(byPatch.patches());
        latentFrames.add(geometry.latentFrames());
        assertThat(byFrame.patches().size()).isEqualTo(clip.patching().patchesPerFrame());
        assertThat(byPatch.frames().size()).isEqualTo(clip.patching().gridFrames());
        assertThat(geometry.localPatching().gridFrames()).isEqualTo(byFrame.frames().size());
      }

      assertThat(Rows.of(frames)).isEqualTo(Rows.all(clip.patching().gridFrames()));
      assertThat(Rows.of(patches)).isEqualTo(Rows.all(clip.patching().patchesPerFrame()));
      assertThat(Rows.of(latentFrames)).isEqualTo(Rows.all(clip.patching().frames()));
    }
  }
}
