package dev.longtake.common.stepcache;

/** Operations whose result later steps can take over. */
public enum Reusable {
  /** Self-attention within frames, and over all tokens. */
  SPATIAL,
  /** Self-attention across frames. */
  TEMPORAL,
  /** Attention to the text. */
  CROSS,
  /** An MLP that follows an attention. */
  MLP
}
