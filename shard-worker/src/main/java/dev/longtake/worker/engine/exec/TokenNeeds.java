package dev.longtake.worker.engine.exec;

import dev.longtake.worker.engine.program.Between;
import dev.longtake.worker.engine.program.Cut;
import dev.longtake.worker.engine.program.Program;
import dev.longtake.worker.engine.program.Value;
import java.util.List;

/**
 * How large the values between two instructions get.
 *
 * @param narrow whether {@link Value#NARROW} is ever there for all tokens at once
 * @param wideColumns of {@link Value#WIDE} for all tokens at once; 0 for never
 * @param strands that pieces are computed by at once
 * @param pieceRows of the largest piece; those that come one after the other are the first strand's, and many times as large
 * @param strandRows of the largest piece that is one of several at once
 * @param pieceWideColumns of {@link Value#WIDE} for a piece
 * @param copiesPieces whether there are pieces whose rows are not behind each other
 */
record TokenNeeds(
    boolean narrow,
    int wideColumns,
    int strands,
    int pieceRows,
    int strandRows,
    int pieceWideColumns,
    boolean copiesPieces) {
  static TokenNeeds of(Program program, List<Passage> passages) {
    var whole = new Between(/* narrow= */ false, /* wideColumns= */ 0);
    int strands = 0;
    int pieceRows = 0;
    int strandRows = 0;
    int pieceWideColumns = 0;
    boolean copiesPieces = false;
    for (Passage passage : passages) {
      Cutting cutting = passage.cutting();
      Between between = Between.of(program, passage.region());
      if (cutting == null) {
        whole = whole.or(between);
      } else {
        strands = Math.max(strands, cutting.strands());
        pieceRows = Math.max(pieceRows, cutting.maxRows());
        strandRows = cutting.strands() > 1 ? Math.max(strandRows, cutting.maxRows()) : strandRows;
        pieceWideColumns = Math.max(pieceWideColumns, between.wideColumns());
        copiesPieces |= cutting.cut() == Cut.PATCHES;
      }
    }
    return new TokenNeeds(
        whole.narrow(),
        whole.wideColumns(),
        strands,
        pieceRows,
        strandRows,
        pieceWideColumns,
        copiesPieces);
  }
}
