package dev.longtake.worker.engine.program;

import dev.longtake.worker.engine.model.Block;
import dev.longtake.worker.engine.model.Op;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Decides where the tokens must be split another way: dynamic sequence parallelism (arXiv 2403.10266). Every operation says
 * which split it needs; an exchange is placed only where the current one does not do. Attention within a frame needs whole
 * frames, attention across frames needs whole patches; everything else works on any split. Attention over all tokens is left
 * where the latents live, by frame, and gathers the keys and values of the other ranks.
 */
final class ShardingPass {
  /** Where the latents live, so where the program starts and ends. */
  static final Split HOME = Split.FRAME;

  private ShardingPass() {}

  /** A block's operation, or an exchange before it. */
  sealed interface Step {
    /** One operation; {@code last} of its block or not. */
    record Run(Block block, Op op, boolean last) implements Step {}

    record Switch(Split from, Split to, String place) implements Step {}
  }

  /**
   * The operations of all blocks with the exchanges between them.
   *
   * @param ranks with one, nothing is split and nothing exchanged
   */
  static List<Step> apply(List<Block> blocks, int ranks) {
    List<Step> steps = new ArrayList<>();
    Split split = HOME;
    for (Block block : blocks) {
      for (int i = 0; i < block.ops().size(); i++) {
        Op op = block.ops().get(i);
        Split needed = needed(op).orElse(split);
        if (ranks > 1 && needed != split) {
          steps.add(new Step.Switch(split, needed, "before " + block.name()));
          split = needed;
        }
        steps.add(new Step.Run(block, op, i == block.ops().size() - 1));
      }
    }
    return steps;
  }

  /** The split after the last step. */
  static Split last(List<Step> steps) {
    Split split = HOME;
    for (Step step : steps) {
      if (step instanceof Step.Switch change) {
        split = change.to();
      }
    }
    return split;
  }

  private static Optional<Split> needed(Op op) {
    return switch (op) {
      case Op.SelfAttention attention ->
          switch (attention.axis()) {
            case SPATIAL, FULL -> Optional.of(Split.FRAME);
            case TEMPORAL -> Optional.of(Split.PATCH);
          };
      case Op.ParallelAttention _ -> Optional.of(Split.FRAME);
      case Op.CrossAttention _, Op.Mlp _, Op.AddPosition _ -> Optional.empty();
    };
  }
}
