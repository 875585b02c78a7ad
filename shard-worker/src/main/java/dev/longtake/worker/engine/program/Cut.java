package dev.longtake.worker.engine.program;

/** How tokens can be cut into pieces that need nothing of each other. */
public enum Cut {
  /** Frames with all patches that the rank holds of them. */
  FRAMES,

  /** Patches in all frames that the rank holds. */
  PATCHES,

  /** Either way. */
  EITHER
}
