package dev.longtake.worker.engine.model;

/** Which tokens an operation works on. Text tokens are tokens of the network only where they change from block to block. */
public enum Stream {
  /** The patches of the clip. */
  PATCHES,
  /** The text, with a residual stream of its own. */
  TEXT,
  /** The text and behind it the patches, as one sequence. */
  ALL;

  public boolean hasText() {
    return this != PATCHES;
  }

  public boolean hasPatches() {
    return this != TEXT;
  }
}
