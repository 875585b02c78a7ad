package dev.longtake.worker.engine.exec;

import dev.longtake.common.partition.Grain;
import dev.longtake.worker.engine.program.Cut;
import dev.longtake.worker.engine.program.Instruction;
import dev.longtake.worker.engine.program.Program;
import dev.longtake.worker.engine.program.Region;
import dev.longtake.worker.engine.program.Split;
import dev.longtake.worker.engine.program.Value;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A region of a step as one rank runs it.
 *
 * @param cutting of the rank's tokens; null for all at once
 * @param labels of the instructions in traces
 */
record Passage(Region region, @Nullable Cutting cutting, List<String> labels) {
  Passage {
    labels = List.copyOf(labels);
  }

  /** The step, in order. */
  static List<Passage> of(Program program, JobRows job, Grain grain) {
    List<Passage> passages = new ArrayList<>();
    Split split = program.start();
    for (Region region : program.regions()) {
      List<String> labels = region.instructions().stream().map(Labels::of).toList();
      Cut cut = region.cut();
      Cutting cutting =
          cut == null ? null : Cutting.of(job.layout(split), either(cut, split), grain);
      passages.add(new Passage(region, cutting, labels));
      if (region.instructions().getFirst() instanceof Instruction.SwitchSplit change
          && !change.value().equals(Value.PREDICTION)) {
        split = change.to();
      }
    }
    return List.copyOf(passages);
  }

  /** Where both would do, so that pieces are whole in the direction that the ranks don't divide. */
  private static Cut either(Cut cut, Split split) {
    if (cut != Cut.EITHER) {
      return cut;
    }
    return split == Split.FRAME ? Cut.FRAMES : Cut.PATCHES;
  }

  /** Whether it makes the prediction. */
  boolean predicts() {
    return region.instructions().stream().anyMatch(Instruction.ProjectFinal.class::isInstance);
  }

  /** The only instruction of a passage that takes all tokens at once. */
  Instruction only() {
    return region.instructions().getFirst();
  }
}
