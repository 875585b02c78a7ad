package dev.longtake.worker.engine.model;

import dev.longtake.common.stepcache.Reusable;

/** Along which tokens a self-attention looks. */
public enum Axis {
  /** All patches of one frame. */
  SPATIAL,
  /** All frames at one patch. */
  TEMPORAL,
  /** All tokens of a row of the batch, text tokens of its sequence included. */
  FULL;

  /** What an attention along the axis counts as in step caches. */
  Reusable reusable() {
    return switch (this) {
      case SPATIAL, FULL -> Reusable.SPATIAL;
      case TEMPORAL -> Reusable.TEMPORAL;
    };
  }
}
