package dev.longtake.worker.engine.exec;

import dev.longtake.common.partition.Range;
import dev.longtake.worker.device.Sequences;
import dev.longtake.worker.engine.model.Axis;
import java.util.Arrays;

/**
 * The tokens a rank holds, as rows {@code [branch, frame, patch]} of its matrices.
 *
 * @param frames range of the clip's token frames
 * @param patches range of a frame's patches
 */
public record TokenLayout(int branches, Range frames, Range patches) {
  public int rows() {
    return branches * frames.size() * patches.size();
  }

  /** The token sequences that an attention along {@code axis} runs over. */
  Sequences sequences(Axis axis) {
    int frameCount = frames.size();
    int patchCount = patches.size();
    return switch (axis) {
      case SPATIAL -> {
        int[] first = new int[branches * frameCount];
        Arrays.setAll(first, s -> s * patchCount);
        yield new Sequences(first, filled(first.length, patchCount), 1);
      }
      case TEMPORAL -> {
        int[] first = new int[branches * patchCount];
        Arrays.setAll(first, s -> s / patchCount * frameCount * patchCount + s % patchCount);
        yield new Sequences(first, filled(first.length, frameCount), patchCount);
      }
    };
  }

  /** All tokens of a branch as one sequence. */
  Sequences branchSequences() {
    int tokens = frames.size() * patches.size();
    int[] first = new int[branches];
    Arrays.setAll(first, b -> b * tokens);
    return new Sequences(first, filled(branches, tokens), 1);
  }

  private static int[] filled(int length, int value) {
    int[] values = new int[length];
    Arrays.fill(values, value);
    return values;
  }
}
