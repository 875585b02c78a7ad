package dev.longtake.worker.engine.exec;

import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.program.Instruction;
import dev.longtake.worker.engine.program.Program;
import dev.longtake.worker.engine.program.Split;
import dev.longtake.worker.engine.program.Value;
import java.util.EnumSet;
import java.util.Set;

/** How many rows of tokens one lane of a job has on one rank, and what of them travels. */
final class JobRows {
  private final Program program;
  private final Geometry geometry;
  private final JointSequence sequence;
  private final Set<Split> splits = EnumSet.noneOf(Split.class);

  JobRows(Program program, Geometry geometry, Condition condition) {
    this.program = program;
    this.geometry = geometry;
    sequence = new JointSequence(geometry, condition, program.model().textIsSequence());
    splits.add(program.start());
    for (Instruction instruction : program.step()) {
      if (instruction instanceof Instruction.SwitchSplit change) {
        splits.add(change.to());
      }
    }
  }

  JointSequence sequence() {
    return sequence;
  }

  /** The tokens under a split. */
  TokenLayout layout(Split split) {
    TokenLayout patches = geometry.patches(split);
    return new TokenLayout(
        patches.branches(),
        patches.frames(),
        patches.patches(),
        sequence.textRanges(geometry.rank()));
  }

  /** Most tokens this rank holds under any split. */
  int maxRows() {
    return splits.stream().mapToInt(split -> layout(split).rows()).max().orElse(0);
  }

  /** Rows of gathered or reduced keys; 0 where there are neither. */
  int keyRows() {
    int rows = has(Instruction.GatherKeyValue.class) ? sequence.rows() : 0;
    for (Instruction instruction : program.step()) {
      if (instruction instanceof Instruction.ReduceKeyValue reduce) {
        TokenLayout frames = layout(Split.FRAME);
        int count = frames.branches().size() * frames.frames().size();
        rows = Math.max(rows, count * Attentions.reducedTokens(geometry, reduce.factor()));
      }
    }
    return rows;
  }

  /** Columns of this rank's heads where heads are exchanged; else 0. */
  int headColumns() {
    ModelDescription model = program.model();
    return exchangesHeads()
        ? geometry.headRange(model.heads(), geometry.rank()).size() * model.headDimension()
        : 0;
  }

  /** Whether attentions get all tokens of some heads. */
  boolean exchangesHeads() {
    return has(Instruction.ScatterHeads.class);
  }

  /** Whether a value is ever split another way. */
  boolean switches(Value value) {
    return program.step().stream()
        .anyMatch(i -> i instanceof Instruction.SwitchSplit change && change.value().equals(value));
  }

  /** Host memory that every exchange of the step finds enough. */
  Staging.Size stage() {
    ModelDescription model = program.model();
    int channels = model.channels();
    int prediction = model.outputChannels() * model.patches().size().volume();
    Staging.Size size = Staging.Size.NONE;
    for (Split split : splits) {
      if (has(Instruction.GatherKeyValue.class)) {
        size = size.or(KeyValueGather.stage(geometry, sequence, split, 2 * channels));
      }
      if (exchangesHeads()) {
        size =
            size.or(
                HeadExchange.stage(
                    geometry, sequence, split, model.heads(), model.headDimension()));
      }
    }
    if (switches(Value.RESIDUAL) || switches(Value.NARROW)) {
      size = size.or(SplitSwitch.stage(geometry, channels));
    }
    if (switches(Value.PREDICTION)) {
      size = size.or(SplitSwitch.stage(geometry, prediction));
    }
    long tokens = (long) maxRows() * channels * Float.BYTES;
    return size.or(
        new Staging.Size(
            has(Instruction.SendTokens.class) ? tokens : 0,
            has(Instruction.ReceiveTokens.class) ? tokens : 0));
  }

  private boolean has(Class<? extends Instruction> kind) {
    return program.step().stream().anyMatch(kind::isInstance);
  }
}
