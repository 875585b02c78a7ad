package dev.longtake.worker.engine.exec;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.partition.Grain;
import dev.longtake.common.partition.Range;
import dev.longtake.worker.engine.program.Cut;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Pieces of random clips on devices of any number of threads. */
class CuttingTest {
  private static final int CLIPS = 500;

  private record Token(int branch, int frame, int patch) {}

  private static TokenLayout layout(Random random) {
    int branches = 1 + random.nextInt(3);
    int frames = random.nextInt(20);
    int patches = random.nextInt(400);
    int firstFrame = random.nextInt(5);
    int firstPatch = random.nextInt(5);
    return new TokenLayout(
        new Range(0, branches),
        new Range(firstFrame, firstFrame + frames),
        new Range(firstPatch, firstPatch + patches));
  }

  private static void addAll(TokenLayout layout, Set<Token> tokens) {
    for (int branch = layout.branches().start(); branch < layout.branches().end(); branch++) {
      for (int frame = layout.frames().start(); frame < layout.frames().end(); frame++) {
        for (int patch = layout.patches().start(); patch < layout.patches().end(); patch++) {
          assertThat(tokens.add(new Token(branch, frame, patch))).isTrue();
        }
      }
    }
  }

  @Test
  void shouldHoldEveryTokenOnceAndWholeFramesOrPatches() {
    for (int seed = 0; seed < CLIPS; seed++) {
      Random random = new Random(seed);
      TokenLayout layout = layout(random);
      Cut cut = random.nextBoolean() ? Cut.FRAMES : Cut.PATCHES;
      Grain grain = new Grain(1 + random.nextInt(9), 1 + random.nextInt(300));
      Cutting cutting = Cutting.of(layout, cut, grain);
      Set<Token> all = new HashSet<>();
      addAll(layout, all);
      Set<Token> inPieces = new HashSet<>();
      for (TokenLayout piece : cutting.pieces()) {
        addAll(piece, inPieces);
        assertThat(piece.branches().size()).isEqualTo(1);
        assertThat(piece.rows()).as("seed %d", seed).isBetween(1, cutting.maxRows());
        if (cut == Cut.FRAMES) {
          assertThat(piece.patches()).isEqualTo(layout.patches());
        } else {
          assertThat(piece.frames()).isEqualTo(layout.frames());
        }
      }
      assertThat(inPieces).as("seed %d", seed).isEqualTo(all);
    }
  }

  @Test
  void shouldBeNoLargerThanTheGrainUnlessAFrameIs() {
    for (int seed = 0; seed < CLIPS; seed++) {
      Random random = new Random(seed);
      TokenLayout layout = layout(random);
      Grain grain = new Grain(1 + random.nextInt(9), 1 + random.nextInt(300));
      Cutting cutting = Cutting.of(layout, Cut.FRAMES, grain);
      int rows = cutting.strands() > 1 ? grain.rows() : grain.rows() * grain.strands();
      assertThat(cutting.maxRows())
          .as("seed %d", seed)
          .isLessThanOrEqualTo(Math.max(rows, layout.patches().size()));
    }
  }

  @Test
  void shouldGiveEachThreadPiecesOfItsOwnOnlyWhereThereAreEnough() {
    Range branch = new Range(0, 1);
    TokenLayout sixteen = new TokenLayout(branch, new Range(0, 16), new Range(0, 256));
    Grain two = new Grain(2, 256);

    assertThat(Cutting.of(sixteen, Cut.FRAMES, two).strands()).isEqualTo(2);
    assertThat(Cutting.of(sixteen, Cut.FRAMES, two).pieces()).hasSize(16);
    assertThat(Cutting.of(sixteen, Cut.PATCHES, two).pieces()).hasSize(16);
    // Fourteen of thirty threads would have nothing to do.
    Cutting many = Cutting.of(sixteen, Cut.FRAMES, new Grain(30, 256));
    assertThat(many.strands()).isEqualTo(1);
    assertThat(many.pieces()).hasSize(1);
    assertThat(Cutting.of(sixteen, Cut.FRAMES, new Grain(1, 512)).pieces())
        .extracting(TokenLayout::rows)
        .isEqualTo(List.of(512, 512, 512, 512, 512, 512, 512, 512));
  }
}
