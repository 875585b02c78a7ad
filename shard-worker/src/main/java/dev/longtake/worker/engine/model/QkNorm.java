package dev.longtake.worker.engine.model;

/** Whether q and k go through an RMS norm over the head dimension, and when. */
public enum QkNorm {
  NONE,
  BEFORE_ROTATION,
  /** As Open-Sora 1.1 was trained. */
  AFTER_ROTATION
}
