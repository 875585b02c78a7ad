package dev.longtake.common.plan;

/**
 * How attention that needs tokens of other sequence ranks gets them. Facts about volumes are in the planner's closed forms.
 */
public enum SequenceMode {
  /** Tokens are split by frame for attention within frames and by patch for attention across frames (DSP, arXiv 2403.10266). */
  SWITCH,
  /** Tokens are split by frame; other attention gets all tokens of some heads (Ulysses, arXiv 2309.14509). */
  HEADS,
  /** Tokens are split by frame; other attention keeps its queries and gets all keys and values. */
  GATHER,
  /** As {@link #HEADS} with tokens split by patch. */
  PATCH_HEADS,
  /** As {@link #GATHER} with tokens split by patch. */
  PATCH_GATHER;

  /** Whether attention exchanges heads. */
  public boolean exchangesHeads() {
    return this == HEADS || this == PATCH_HEADS;
  }

  /** Whether the blocks work on tokens split by patch, latents still living by frame. */
  public boolean splitsByPatch() {
    return this == PATCH_HEADS || this == PATCH_GATHER;
  }
}
