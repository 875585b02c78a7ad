package dev.longtake.worker.engine.exec;

import dev.longtake.common.partition.Partition;
import dev.longtake.common.partition.Range;
import dev.longtake.worker.engine.program.Cut;
import java.util.ArrayList;
import java.util.List;

/**
 * Tokens in pieces, each of one branch.
 *
 * @param cut how, {@link Cut#FRAMES} or {@link Cut#PATCHES}
 * @param pieces of the tokens, together all of them
 * @param strands of the device that compute a piece each; with 1, one piece comes after the other, each computed by the whole device
 */
record Cutting(Cut cut, List<TokenLayout> pieces, int strands) {
  /** Threads are seldom equally fast, least where others use the machine: with so many pieces each, none waits long in the end. */
  private static final int PIECES_OF_STRAND = 4;

  /** Part of the threads' time that must not be spent waiting for the last piece, where all are equally fast. */
  private static final double LEAST_USE = 0.75;

  Cutting {
    pieces = List.copyOf(pieces);
  }

  /**
   * Cuts tokens that have no text among them.
   *
   * @param cut {@link Cut#FRAMES} or {@link Cut#PATCHES}
   */
  static Cutting of(TokenLayout layout, Cut cut, Grain grain) {
    if (grain.strands() > 1) {
      int share = layout.rows() / (PIECES_OF_STRAND * grain.strands());
      List<TokenLayout> pieces = pieces(layout, cut, Math.min(grain.rows(), share));
      int rounds = Math.ceilDiv(pieces.size(), grain.strands());
      if (pieces.size() >= LEAST_USE * rounds * grain.strands()) {
        return new Cutting(cut, pieces, grain.strands());
      }
    }
    int rows = Math.multiplyExact(grain.rows(), grain.strands());
    return new Cutting(cut, pieces(layout, cut, rows), /* strands= */ 1);
  }

  /** Of about so many rows, as equal as they can be. */
  private static List<TokenLayout> pieces(TokenLayout layout, Cut cut, int rows) {
    Range along = cut == Cut.FRAMES ? layout.frames() : layout.patches();
    int rowsOfEach = cut == Cut.FRAMES ? layout.patches().size() : layout.frames().size();
    List<TokenLayout> pieces = new ArrayList<>();
    if (along.isEmpty() || rowsOfEach == 0) {
      return pieces;
    }
    int most = Math.clamp(rows / rowsOfEach, 1, along.size());
    var partition = new Partition(along.size(), Math.ceilDiv(along.size(), most));
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
    return pieces;
  }

  private static Range shifted(Range range, int by) {
    return new Range(range.start() + by, range.end() + by);
  }

  /** Of the largest piece. */
  int maxRows() {
    return pieces.stream().mapToInt(TokenLayout::rows).max().orElse(0);
  }
}
