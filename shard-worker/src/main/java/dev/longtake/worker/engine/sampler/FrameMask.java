package dev.longtake.worker.engine.sampler;

import dev.longtake.worker.engine.exec.Geometry;
import org.jspecify.annotations.Nullable;

/**
 * Which frames are generated at a step, as Open-Sora 1.2 conditions on frames: a frame is active where {@code 1000 * mask >= t};
 * a kept frame stays as it is and the network sees it at t = 0; an edited frame gets noise at its first active step.
 */
final class FrameMask {
  private final float @Nullable [] mask;
  private final int samples;
  private final int timesteps;
  private final Geometry geometry;
  private final boolean[] noisy;

  FrameMask(SamplingInput input, Geometry geometry) {
    this.mask = input.frameMask();
    this.samples = input.samples();
    this.timesteps = input.flow().timesteps();
    this.geometry = geometry;
    this.noisy = new boolean[samples * frames()];
    for (int i = 0; mask != null && i < noisy.length; i++) {
      // A frame that is wholly generated starts as noise.
      noisy[i] = mask[i] == 1;
    }
  }

  private int frames() {
    return geometry.patching().frames();
  }

  /** [sample][frame of the whole clip], or null when there is no mask. */
  boolean @Nullable [][] active(float t) {
    if (mask == null) {
      return null;
    }
    boolean[][] active = new boolean[samples][frames()];
    for (int i = 0; i < mask.length; i++) {
      active[i / frames()][i % frames()] = mask[i] * timesteps >= t;
    }
    return active;
  }

  /** Frames [sample * frames + frame] whose first active step this is, or null when there are none. */
  boolean @Nullable [] becomesNoisy(boolean @Nullable [][] active) {
    if (active == null) {
      return null;
    }
    boolean[] becomes = new boolean[noisy.length];
    boolean any = false;
    for (int i = 0; i < noisy.length; i++) {
      boolean now = active[i / frames()][i % frames()];
      becomes[i] = now && !noisy[i];
      any |= becomes[i];
      noisy[i] = now;
    }
    return any ? becomes : null;
  }

  /** For the network: [branch][token frame]; both branches of a sample see the same. */
  boolean @Nullable [][] perBranch(boolean @Nullable [][] active) {
    if (active == null) {
      return null;
    }
    boolean[][] generated = new boolean[geometry.branches()][geometry.patching().gridFrames()];
    for (int branch = 0; branch < generated.length; branch++) {
      for (int frame = 0; frame < generated[branch].length; frame++) {
        generated[branch][frame] =
            active[branch % samples][frame * geometry.patching().patchFrames()];
      }
    }
    return generated;
  }
}
