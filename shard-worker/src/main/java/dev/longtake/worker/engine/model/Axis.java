package dev.longtake.worker.engine.model;

/** Along which tokens a self-attention looks. */
public enum Axis {
  /** All patches of one frame. */
  SPATIAL,
  /** All frames at one patch. */
  TEMPORAL,
  /** All tokens of a row of the batch, text tokens of its sequence included. */
  FULL
}
