package dev.longtake.worker.engine.exec;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.partition.Range;
import dev.longtake.worker.device.Sequences;
import dev.longtake.worker.engine.model.Axis;
import dev.longtake.worker.engine.model.Stream;
import dev.longtake.worker.engine.program.Split;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Rows of the keys of all tokens, for random clips, texts and numbers of ranks. */
class JointSequenceTest {
  private static final int CLIPS = 300;

  @Test
  void shouldGiveEveryKeyToExactlyOneRank() {
    for (int seed = 0; seed < CLIPS; seed++) {
      Random random = new Random(seed);
      Geometry geometry = Rows.geometry(random);
      boolean text = random.nextBoolean();
      var sequence = new JointSequence(geometry, Rows.condition(geometry, random), text);
      List<Range> pieces = new ArrayList<>();
      Split split = random.nextBoolean() ? Split.FRAME : Split.PATCH;
      for (int rank = 0; rank < geometry.ranks(); rank++) {
        pieces.addAll(sequence.pieces(rank, split));
        assertThat(sequence.rowsOf(rank, split))
            .as("seed %d", seed)
            .isEqualTo(Rows.of(sequence.pieces(rank, split)).size());
      }

      assertThat(Rows.of(pieces))
          .as("seed %d", seed)
          .containsExactlyInAnyOrderElementsOf(Rows.all(sequence.rows()));
    }
  }

  @Test
  void shouldPutEachBranchsTextInFrontOfItsPatchesInTheOrderOfTheClip() {
    for (int seed = 0; seed < CLIPS; seed++) {
      Random random = new Random(seed);
      Geometry geometry = Rows.geometry(random);
      Condition condition = Rows.condition(geometry, random);
      var sequence = new JointSequence(geometry, condition, /* text= */ true);
      Sequences keys = sequence.keys(Axis.FULL, Stream.PATCHES);
      List<Integer> behindEachOther = new ArrayList<>();
      for (int branch = 0; branch < geometry.branches(); branch++) {
        List<Range> ofBranch = new ArrayList<>();
        for (int part = 0; part < 2; part++) {
          for (int rank = 0; rank < geometry.ranks(); rank++) {
            ofBranch.add(sequence.pieces(rank, Split.FRAME).get(2 * branch + part));
          }
        }
        assertThat(Rows.of(ofBranch)).as("seed %d", seed).isEqualTo(Rows.of(keys, branch));
        behindEachOther.addAll(Rows.of(ofBranch));
      }

      assertThat(behindEachOther).as("seed %d", seed).isEqualTo(Rows.all(sequence.rows()));
    }
  }

  @Test
  void shouldDivideThePackedTextAmongTheRanks() {
    for (int seed = 0; seed < CLIPS; seed++) {
      Random random = new Random(seed);
      Geometry geometry = Rows.geometry(random);
      Condition condition = Rows.condition(geometry, random);
      var sequence = new JointSequence(geometry, condition, /* text= */ true);
      List<Range> packed = new ArrayList<>();
      for (int rank = 0; rank < geometry.ranks(); rank++) {
        List<Range> ofRank = sequence.packedText(rank);
        assertThat(ofRank.stream().map(Range::size))
            .as("seed %d", seed)
            .isEqualTo(sequence.textRanges(rank).stream().map(Range::size).toList());
        packed.addAll(ofRank);
      }

      assertThat(Rows.of(packed))
          .as("seed %d", seed)
          .containsExactlyInAnyOrderElementsOf(Rows.all(condition.textTokens()));
    }
  }

  @Test
  void shouldShowTextAndPatchesTheSameKeys() {
    for (int seed = 0; seed < CLIPS; seed++) {
      Random random = new Random(seed);
      Geometry geometry = Rows.geometry(random);
      var sequence = new JointSequence(geometry, Rows.condition(geometry, random), true);
      Sequences keys = sequence.keys(Axis.FULL, Stream.ALL);

      int branches = geometry.branches();
      assertThat(keys.count()).isEqualTo(2 * branches);
      for (int branch = 0; branch < branches; branch++) {
        assertThat(Rows.of(keys, branch)).isEqualTo(Rows.of(keys, branches + branch));
      }
    }
  }

  @Test
  void shouldHaveNoTextWhereItIsNoPartOfTheSequence() {
    Random random = new Random(5);
    Geometry geometry = Rows.geometry(random);
    var sequence = new JointSequence(geometry, Rows.condition(geometry, random), /* text= */ false);

    assertThat(sequence.textRanges(0)).isEmpty();
    assertThat(sequence.packedText(0)).isEmpty();
    assertThat(sequence.rows())
        .isEqualTo(
            geometry.branches()
                * geometry.patching().gridFrames()
                * geometry.patching().patchesPerFrame());
  }
}
