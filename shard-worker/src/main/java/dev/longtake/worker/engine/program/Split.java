package dev.longtake.worker.engine.program;

/** Along which axis the tokens of an activation {@code [branch, frame, patch, channel]} are divided among the ranks. */
public enum Split {
  /** Every rank has some frames, each with all its patches. Latents live like this. */
  FRAME,
  /** Every rank has some patches, each with all its frames. */
  PATCH
}
