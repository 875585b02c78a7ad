package dev.longtake.worker.engine.program;

/** How an attention gets at the tokens it needs. */
enum Reach {
  /** The rank holds them all under the current split. */
  LOCAL,
  /** What it reads is split another way, and its result back: tokens themselves keep their split. */
  SWITCHED,
  /** The rank keeps its queries and gathers the keys and values of the others. */
  KEYS,
  /** The rank gets all tokens of some heads. */
  HEADS
}
