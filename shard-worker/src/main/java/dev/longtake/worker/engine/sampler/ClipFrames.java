package dev.longtake.worker.engine.sampler;

import dev.longtake.worker.engine.exec.Geometry;
import dev.longtake.worker.engine.sampler.FrameRule.FrameState;
import java.util.function.Predicate;

/**
 * The states of all frames of all samples at one step.
 *
 * @param states [sample * frames + frame] of the whole clips
 */
record ClipFrames(FrameState[] states, int frames) {
  /**
   * The states under a rule.
   *
   * @param mask [samples * frames]
   */
  static ClipFrames at(int step, FrameRule rule, float[] mask, int frames) {
    FrameState[] states = new FrameState[mask.length];
    for (int i = 0; i < states.length; i++) {
      states[i] = rule.at(mask[i], step);
    }
    return new ClipFrames(states, frames);
  }

  /** Which of a rank's rows belong to frames of some kind; null when none does. */
  boolean any(Predicate<FrameState> kind) {
    for (FrameState state : states) {
      if (kind.test(state)) {
        return true;
      }
    }
    return false;
  }

  /** Per row of a rank: one value where its frame is of a kind, another where not. */
  float[] perRow(ClipRows rows, Predicate<FrameState> kind, float yes, float no) {
    float[] values = new float[rows.rows()];
    for (int row = 0; row < values.length; row++) {
      FrameState state = states[rows.clip(row) * frames + rows.globalFrame(row)];
      values[row] = kind.test(state) ? yes : no;
    }
    return values;
  }

  /** For the network: [branch][token frame]; all branches of a sample see the same. */
  boolean[][] generated(Geometry geometry) {
    int samples = states.length / frames;
    int patchFrames = geometry.patching().patchFrames();
    boolean[][] generated = new boolean[geometry.branches()][geometry.patching().gridFrames()];
    for (int branch = 0; branch < generated.length; branch++) {
      for (int frame = 0; frame < generated[branch].length; frame++) {
        generated[branch][frame] =
            states[branch % samples * frames + frame * patchFrames].generated();
      }
    }
    return generated;
  }

  /** 1 for frames that the network sees as ordinary ones, [samples * frames]. */
  float[] generatedFlags() {
    float[] flags = new float[states.length];
    for (int i = 0; i < flags.length; i++) {
      flags[i] = states[i].generated() ? 1 : 0;
    }
    return flags;
  }
}
