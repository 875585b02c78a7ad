package dev.longtake.worker.engine.exec;

import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.program.Cut;
import dev.longtake.worker.engine.program.Instruction;
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
    boolean narrow = false;
    int wideColumns = 0;
    int strands = 0;
    int pieceRows = 0;
    int strandRows = 0;
    int pieceWideColumns = 0;
    boolean copiesPieces = false;
    for (Passage passage : passages) {
      List<Instruction> instructions = passage.region().instructions();
      Cutting cutting = passage.cutting();
      int columns =
          instructions.stream().mapToInt(each -> wideColumns(program, each)).max().orElse(0);
      if (cutting == null) {
        narrow |= instructions.stream().anyMatch(TokenNeeds::usesNarrow);
        wideColumns = Math.max(wideColumns, columns);
      } else {
        strands = Math.max(strands, cutting.strands());
        pieceRows = Math.max(pieceRows, cutting.maxRows());
        strandRows = cutting.strands() > 1 ? Math.max(strandRows, cutting.maxRows()) : strandRows;
        pieceWideColumns = Math.max(pieceWideColumns, columns);
        copiesPieces |= cutting.cut() == Cut.PATCHES;
      }
    }
    return new TokenNeeds(
        narrow, wideColumns, strands, pieceRows, strandRows, pieceWideColumns, copiesPieces);
  }

  /** A product's columns, or those of what else passes through the same memory. */
  private static int wideColumns(Program program, Instruction instruction) {
    ModelDescription model = program.model();
    return switch (instruction) {
      case Instruction.Project project -> program.linear(project.layer()).outputColumns();
      case Instruction.ReadWithPosition _ -> model.channels();
      case Instruction.EmbedPatches _, Instruction.EmbedReference _ ->
          (1 + model.latentChannels()) * model.patches().size().volume();
      default -> 0;
    };
  }

  /** Also as scratch memory, for a cast or the final layer's norm. */
  private static boolean usesNarrow(Instruction instruction) {
    return instruction instanceof Instruction.Project
        || instruction instanceof Instruction.AddProjection
        || instruction instanceof Instruction.ProjectFinal
        || instruction.writes().equals(Value.NARROW);
  }
}
