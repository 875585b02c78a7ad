package dev.longtake.worker.engine.program;

import dev.longtake.common.partition.Range;
import dev.longtake.common.plan.SequenceMode;
import dev.longtake.common.stepcache.StepCacheMode;
import dev.longtake.common.stepcache.StepCaches;

/**
 * A worker's part of a model, apart from its place among the sequence ranks, which run the same program.
 *
 * @param ranks sequence ranks
 * @param mode how attention reaches tokens of other sequence ranks
 * @param blocks that the stage holds
 * @param stepCache what steps take over from earlier ones
 */
public record Sharding(int ranks, SequenceMode mode, Range blocks, StepCacheMode stepCache) {
  /** A part that computes everything in every step. */
  public Sharding(int ranks, SequenceMode mode, Range blocks) {
    this(ranks, mode, blocks, StepCaches.EXACT);
  }

  /** All blocks, on ranks that switch between splits, or gather for attention over all tokens. */
  public static Sharding sequence(int ranks, int blocks) {
    return new Sharding(ranks, SequenceMode.SWITCH, new Range(0, blocks));
  }
}
