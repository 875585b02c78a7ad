package dev.longtake.worker.engine.program;

import dev.longtake.worker.engine.model.Block;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.model.Op;
import java.util.List;

/**
 * The instructions of a first-block cache around those of the blocks; none without one. What the other blocks add, {@code R = x - x1} with
 * {@code x1} the tokens behind the first block, must be the same sum for any block ranges: so the last stage alone computes and adds it, and
 * in steps that compute, {@code x1} follows the tokens from stage to stage. In steps that don't, {@code x1} are the tokens.
 *
 * <pre>
 * first stage                           stages after it
 *   embed                                 receive tokens
 *   begin first block                     reuse rest ----.
 *   first block                             receive x1   |
 *   end first block                         blocks       |
 *   reuse rest ----.                      keep rest  <---'
 *     begin rest   |                      send tokens, or the final layer
 *     blocks       |                      send x1 where the rest was computed
 *   keep rest  <---'
 *   send tokens, or the final layer
 *   send x1 where the rest was computed
 * </pre>
 */
final class FirstBlockLowering {
  private final List<Instruction> program;
  private final boolean isActive;
  private final boolean isFirst;
  private final Block firstBlock;
  private final Instruction.Kept rest;

  FirstBlockLowering(Sharding sharding, ModelDescription model, List<Instruction> program) {
    this.program = program;
    isActive = sharding.stepCache().isFirstBlock();
    isFirst = sharding.blocks().start() == 0;
    firstBlock = model.blocks().getFirst();
    rest =
        sharding.blocks().end() == model.blocks().size()
            ? new Instruction.Kept.Rest()
            : new Instruction.Kept.Nothing("rest", Value.RESIDUAL);
  }

  /** Tokens are embedded, or have come from the stage before. */
  void beginStage() {
    if (isActive && !isFirst) {
      program.add(new Instruction.Reuse(rest));
      program.add(new Instruction.ReceiveTokens(Value.REST, "from the stage before, first block"));
    }
  }

  void before(Block block, Op op) {
    if (isActive && block.equals(firstBlock) && op.equals(block.ops().getFirst())) {
      program.add(new Instruction.BeginFirstBlock());
    }
  }

  void after(Block block, boolean last) {
    if (isActive && block.equals(firstBlock) && last) {
      program.add(new Instruction.EndFirstBlock());
      program.add(new Instruction.Reuse(rest));
      program.add(new Instruction.BeginRest());
    }
  }

  void endBlocks() {
    if (isActive) {
      program.add(new Instruction.Keep(rest));
    }
  }

  /** Tokens have gone to the next stage. */
  void endStage() {
    if (isActive) {
      var handedOn = new Instruction.Kept.Nothing("first block's tokens", Value.REST);
      program.add(new Instruction.Reuse(handedOn));
      program.add(new Instruction.SendTokens(Value.REST, "to the next stage, first block"));
      program.add(new Instruction.Keep(handedOn));
    }
  }
}
