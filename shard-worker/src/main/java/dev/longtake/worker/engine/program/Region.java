package dev.longtake.worker.engine.program;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Consecutive instructions of a step: a single one for all tokens of the rank at once, or several that run one behind the other on a piece of the
 * tokens before the next piece begins. Of the latter only the residual stream and the prediction are seen from outside; all other
 * token values begin and end inside, so that they need memory for a piece only.
 *
 * @param cut into which pieces; null for all tokens at once
 */
public record Region(List<Instruction> instructions, @Nullable Cut cut) {
  public Region {
    instructions = List.copyOf(instructions);
    if (instructions.isEmpty() || (cut == null && instructions.size() > 1)) {
      throw new IllegalArgumentException(
          "Expected one instruction, or some and a cut, but got %d".formatted(instructions.size()));
    }
  }

  /** Whether it runs piece by piece. */
  public boolean isCut() {
    return cut != null;
  }
}
