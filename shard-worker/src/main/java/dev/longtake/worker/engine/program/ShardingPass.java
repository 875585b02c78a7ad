package dev.longtake.worker.engine.program;

import dev.longtake.common.plan.SequenceMode;
import dev.longtake.worker.engine.model.Axis;
import dev.longtake.worker.engine.model.Block;
import dev.longtake.worker.engine.model.Op;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Decides where tokens must be split another way, and how attention reaches tokens of other ranks. Every operation says which
 * tokens it needs together: attention within a frame whole frames, attention across frames whole patches, attention over all
 * tokens all of them; everything else works on any split. With {@link SequenceMode#SWITCH} an exchange is placed only where the
 * current split does not do (dynamic sequence parallelism, arXiv 2403.10266), and attention over all tokens gathers keys and
 * values; with the other modes one split stays and attentions that it does not suit exchange heads, or gather.
 *
 * <p>Where a step cache keeps results, tokens keep their split with SWITCH too, and attention across frames switches what it reads and its
 * result: see {@link dev.longtake.worker.engine.reuse}.
 */
final class ShardingPass {
  /** Where the latents live, so where the model starts and ends. */
  static final Split HOME = Split.FRAME;

  private final Sharding sharding;
  private final List<Step> steps = new ArrayList<>();
  private Split split = HOME;

  private ShardingPass(Sharding sharding) {
    this.sharding = sharding;
  }

  /** A block's operation, or an exchange before it. */
  sealed interface Step {
    /** One operation; {@code last} of its block or not. */
    record Run(Block block, Op op, boolean last, Reach reach) implements Step {}

    record Switch(Split from, Split to, String place) implements Step {}
  }

  /**
   * A stage's part.
   *
   * @param start the split that the tokens come in
   * @param end the split they are left in
   */
  record Result(List<Step> steps, Split start, Split end) {
    Result {
      steps = List.copyOf(steps);
    }
  }

  /**
   * The operations of the stage's blocks with the exchanges between them. With one rank nothing is split and nothing exchanged.
   *
   * @param blocks all of the model, so that every stage knows how the one before it leaves the tokens
   */
  static Result apply(List<Block> blocks, Sharding sharding) {
    ShardingPass pass = new ShardingPass(sharding);
    Split start = HOME;
    for (int i = 0; i < sharding.blocks().end(); i++) {
      if (i == sharding.blocks().start()) {
        // The blocks before were only walked to know this.
        pass.steps.clear();
        start = pass.split;
      }
      pass.add(blocks.get(i), /* first= */ i == 0);
    }
    return new Result(pass.steps, start, pass.split);
  }

  private void add(Block block, boolean first) {
    if (first && sharding.ranks() > 1 && sharding.mode().splitsByPatch()) {
      switchTo(Split.PATCH, block);
    }
    for (int i = 0; i < block.ops().size(); i++) {
      Op op = block.ops().get(i);
      Optional<Axis> axis = axis(op);
      if (axis.isPresent() && switches()) {
        switchTo(suiting(axis.get()), block);
      }
      Reach reach = axis.map(this::reach).orElse(Reach.LOCAL);
      steps.add(new Step.Run(block, op, i == block.ops().size() - 1, reach));
    }
  }

  private boolean switches() {
    return sharding.ranks() > 1
        && sharding.mode() == SequenceMode.SWITCH
        && sharding.stepCache().keepsNothing();
  }

  private void switchTo(Split to, Block block) {
    if (split != to) {
      steps.add(new Step.Switch(split, to, "before " + block.name()));
      split = to;
    }
  }

  /** The split under which attention along the axis is local; for all tokens there is none, and they stay at home. */
  private static Split suiting(Axis axis) {
    return switch (axis) {
      case SPATIAL, FULL -> Split.FRAME;
      case TEMPORAL -> Split.PATCH;
    };
  }

  private Reach reach(Axis axis) {
    boolean isLocal = axis != Axis.FULL && split == suiting(axis);
    if (sharding.ranks() == 1 || isLocal) {
      return Reach.LOCAL;
    }
    if (sharding.mode() == SequenceMode.SWITCH && axis == Axis.TEMPORAL) {
      return Reach.SWITCHED;
    }
    return sharding.mode().exchangesHeads() ? Reach.HEADS : Reach.KEYS;
  }

  private static Optional<Axis> axis(Op op) {
    return switch (op) {
      case Op.SelfAttention attention -> Optional.of(attention.axis());
      case Op.ParallelAttention _ -> Optional.of(Axis.FULL);
      case Op.CrossAttention _, Op.Mlp _, Op.AddPosition _ -> Optional.empty();
    };
  }
}
