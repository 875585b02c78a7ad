package dev.longtake.worker.engine.exec;

import dev.longtake.common.partition.Grain;
import dev.longtake.common.partition.Partition;
import dev.longtake.common.partition.Pieces;
import dev.longtake.common.partition.Range;
import dev.longtake.worker.engine.program.Cut;
import java.util.ArrayList;
import java.util.List;

/**
 * Tokens in pieces, each of one branch; {@link Pieces} says how many.
 *
 * @param cut how, {@link Cut#FRAMES} or {@link Cut#PATCHES}
 * @param pieces of the tokens, together all of them
 * @param strands of the device that compute a piece each; with 1, one piece comes after the other, each computed by the whole device
 */
record Cutting(Cut cut, List<TokenLayout> pieces, int strands) {
  Cutting {
    pieces = List.copyOf(pieces);
  }

  /**
   * Cuts tokens that have no text among them.
   *
   * @param cut {@link Cut#FRAMES} or {@link Cut#PATCHES}
   */
  static Cutting of(TokenLayout layout, Cut cut, Grain grain) {
    Range along = cut == Cut.FRAMES ? layout.frames() : layout.patches();
    int across = cut == Cut.FRAMES ? layout.patches().size() : layout.frames().size();
    Pieces how = Pieces.of(layout.branches().size(), along.size(), across, grain);
    List<TokenLayout> pieces = new ArrayList<>();
    if (how.ofBranch() > 0) {
      var partition = new Partition(along.size(), how.ofBranch());
      for (int branch = layout.branches().start(); branch < layout.branches().end(); branch++) {
        Range one = new Range(branch, branch + 1);
        for (int i = 0; i < partition.ranks(); i++) {
          Range part = shifted(partition.of(i), along.start());
          pieces.add(
              cut == Cut.FRAMES
                  ? new TokenLayout(one, part, layout.patches())
                  : new TokenLayout(one, layout.frames(), part));
        }
      }
    }
    return new Cutting(cut, pieces, how.strands());
  }

  private static Range shifted(Range range, int by) {
    return new Range(range.start() + by, range.end() + by);
  }

  /** Of the largest piece. */
  int maxRows() {
    return pieces.stream().mapToInt(TokenLayout::rows).max().orElse(0);
  }
}
