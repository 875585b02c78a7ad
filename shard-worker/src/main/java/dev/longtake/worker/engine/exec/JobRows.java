package dev.longtake.worker.engine.exec;

import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.program.Instruction;
import dev.longtake.worker.engine.program.Program;
import dev.longtake.worker.engine.program.Split;

/** How many rows of tokens one job has on one rank, and what of them travels. */
final class JobRows {
  private final Program program;
  private final Geometry geometry;
  private final JointSequence sequence;
  private final TokenLayout home;

  JobRows(Program program, Geometry geometry, Condition condition) {
    this.program = program;
    this.geometry = geometry;
    sequence = new JointSequence(geometry, condition, program.model().textIsSequence());
    TokenLayout patches = geometry.layout(Split.FRAME);
    home =
        new TokenLayout(
            geometry.branches(),
            patches.frames(),
            patches.patches(),
            sequence.textRanges(geometry.rank()));
  }

  JointSequence sequence() {
    return sequence;
  }

  /** The tokens under the split that steps begin and end with. */
  TokenLayout home() {
    return home;
  }

  /** Most tokens this rank holds under any split. */
  int maxRows() {
    return Math.max(home.rows(), geometry.maxRows());
  }

  /** Rows of gathered or reduced keys; 0 where there are neither. */
  int keyRows() {
    int rows = gathers() ? sequence.rows() : 0;
    for (Instruction instruction : program.step()) {
      if (instruction instanceof Instruction.ReduceKeyValue reduce) {
        int frames = home.branches() * home.frames().size();
        rows = Math.max(rows, frames * Attentions.reducedTokens(geometry, reduce.factor()));
      }
    }
    return rows;
  }

  /** Columns of the widest value whose split changes; 0 where none does. */
  int switchedColumns() {
    ModelDescription model = program.model();
    int prediction = model.outputChannels() * model.patches().size().volume();
    return switches() ? Math.max(model.channels(), prediction) : 0;
  }

  /** Columns of keys and values together where they are gathered; else 0. */
  int gatheredColumns() {
    return gathers() ? 2 * program.model().channels() : 0;
  }

  private boolean switches() {
    return program.step().stream().anyMatch(i -> i instanceof Instruction.SwitchSplit);
  }

  private boolean gathers() {
    return program.step().stream().anyMatch(i -> i instanceof Instruction.GatherKeyValue);
  }
}
