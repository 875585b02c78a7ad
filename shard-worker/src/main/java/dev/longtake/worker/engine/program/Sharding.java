package dev.longtake.worker.engine.program;

import dev.longtake.common.partition.Range;
import dev.longtake.common.plan.SequenceMode;

/**
 * A worker's part of a model, apart from its place among the sequence ranks, which run the same program.
 *
 * @param ranks sequence ranks
 * @param mode how attention reaches tokens of other sequence ranks
 * @param blocks that the stage holds
 */
public record Sharding(int ranks, SequenceMode mode, Range blocks) {
  /** All blocks, on ranks that switch between splits, or gather for attention over all tokens. */
  public static Sharding sequence(int ranks, int blocks) {
    return new Sharding(ranks, SequenceMode.SWITCH, new Range(0, blocks));
  }
}
