package dev.longtake.worker.engine.model;

/** Along which tokens a self-attention looks. */
public enum Axis {
  /** All patches of one frame. */
  SPATIAL,
  /** All frames at one patch. */
  TEMPORAL
}
