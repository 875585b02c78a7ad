package dev.longtake.worker.engine.program;

import dev.longtake.common.stepcache.Reusable;
import dev.longtake.worker.device.Activation;
import dev.longtake.worker.engine.model.Block;
import dev.longtake.worker.engine.model.FinalLayer;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.model.Modulation;
import dev.longtake.worker.engine.model.NullText;
import dev.longtake.worker.engine.model.Op;
import dev.longtake.worker.engine.model.Position;
import dev.longtake.worker.engine.model.Stream;
import dev.longtake.worker.engine.model.TextInput;
import java.util.ArrayList;
import java.util.List;

/** Turns a model's operations into instructions, and notes the weights that they need. */
final class Lowering {
  private final ModelDescription model;
  private final Sharding sharding;
  private final WeightList weights;
  private final List<Instruction> program = new ArrayList<>();
  private final AttentionLowering attention;

  Lowering(ModelDescription model, Sharding sharding) {
    this.model = model;
    this.sharding = sharding;
    this.weights = new WeightList(model);
    this.attention = new AttentionLowering(model, sharding, weights, program);
  }

  List<LinearSpec> linears() {
    return weights.linears();
  }

  List<TensorSpec> tensors() {
    return weights.tensors();
  }

  List<Instruction> lower(ShardingPass.Result sharded) {
    boolean isFirst = sharding.blocks().start() == 0;
    boolean isLast = sharding.blocks().end() == model.blocks().size();
    List<Block> blocks = model.blocks().subList(sharding.blocks().start(), sharding.blocks().end());
    lowerText(blocks, isFirst);
    new VectorLowering(model, weights, program)
        .lower(NeededVectors.of(model, blocks, /* finalLayer= */ isLast));
    if (isFirst) {
      embed();
    } else {
      program.add(new Instruction.ReceiveTokens(Value.RESIDUAL, "from the stage before"));
    }
    FirstBlockLowering firstBlock = new FirstBlockLowering(sharding, model, program);
    firstBlock.beginStage();
    for (ShardingPass.Step step : sharded.steps()) {
      switch (step) {
        case ShardingPass.Step.Switch(Split from, Split to, String place) ->
            program.add(new Instruction.SwitchSplit(Value.RESIDUAL, from, to, place));
        case ShardingPass.Step.Run(Block block, Op op, boolean last, Reach reach) -> {
          firstBlock.before(block, op);
          lowerOp(block, op, last, reach);
          firstBlock.after(block, last);
        }
      }
    }
    firstBlock.endBlocks();
    if (isLast) {
      lowerFinal(sharded.end());
    } else {
      program.add(new Instruction.SendTokens(Value.RESIDUAL, "to the next stage"));
      firstBlock.endStage();
    }
    return program;
  }

  /** Where the text becomes tokens, or a block attends to it. */
  private void lowerText(List<Block> blocks, boolean isFirst) {
    TextInput text = model.text();
    boolean isRead =
        (isFirst && model.textIsSequence())
            || blocks.stream()
                .flatMap(block -> block.ops().stream())
                .anyMatch(op -> op instanceof Op.CrossAttention);
    if (text == null || !isRead) {
      return;
    }
    int inputs = text.channels();
    for (String layer : text.layers()) {
      weights.exact(layer, model.channels(), inputs);
      inputs = model.channels();
    }
    if (text.nullText() instanceof NullText.Stored(String tensor)) {
      weights.tensor(tensor, text.maxTokens(), text.channels());
    }
    program.add(new Instruction.ProjectText(text.layers()));
  }

  private void embed() {
    var patches = model.patches();
    boolean text = model.textIsSequence();
    weights.exact(patches.layer(), patches.weightShape());
    program.add(new Instruction.EmbedPatches(patches.layer()));
    if (text) {
      program.add(new Instruction.EmbedText());
    }
    if (patches.hasReference()) {
      int values = (1 + model.latentChannels()) * patches.size().volume();
      weights.exact(patches.reference(), model.channels(), values);
      program.add(new Instruction.EmbedReference(patches.reference()));
    }
    for (Position position : model.positions()) {
      boolean ofSequence = text && position instanceof Position.Sequence;
      program.add(new Instruction.AddPosition(position, ofSequence ? Stream.ALL : Stream.PATCHES));
    }
    program.add(new Instruction.Mark("x_embed"));
  }

  private void lowerOp(Block block, Op op, boolean last, Reach reach) {
    switch (op) {
      case Op.SelfAttention self -> attention.lower(block, self, last, reach);
      case Op.ParallelAttention parallel -> attention.lower(block, parallel, reach);
      case Op.CrossAttention cross -> attention.lower(block, cross, last);
      case Op.Mlp mlp -> lowerMlp(block, mlp, last);
      case Op.AddPosition add -> {
        program.add(new Instruction.AddPosition(add.position(), Stream.PATCHES));
        program.add(new Instruction.Mark(block.name() + ".in"));
      }
    }
  }

  private void lowerMlp(Block block, Op.Mlp op, boolean last) {
    String name = block.name() + "." + op.name();
    weights.table(op.modulation().source(), program);
    var kept = new Instruction.Kept.Input(name, Reusable.MLP, op.stream(), Value.WIDE, op.hidden());
    boolean isKept = sharding.stepCache().operations().contains(Reusable.MLP);
    if (isKept) {
      program.add(new Instruction.Reuse(kept));
    }
    program.add(new Instruction.Modulate(name + "_in", op.stream(), op.modulation()));
    weights.reducible(name + ".fc1", op.hidden(), model.channels());
    program.add(
        new Instruction.Project(name + ".fc1", op.stream(), Value.NARROW, Activation.GELU_TANH));
    if (isKept) {
      program.add(new Instruction.Keep(kept));
    }
    weights.reducible(name + ".fc2", model.channels(), op.hidden());
    program.add(
        new Instruction.AddProjection(
            name + ".fc2",
            op.stream(),
            Value.WIDE,
            op.gate(),
            name + "_out",
            after(block, op.name(), last)));
  }

  private void lowerFinal(Split split) {
    FinalLayer layer = model.finalLayer();
    Modulation modulation = layer.modulation();
    weights.table(modulation.source(), program);
    weights.exact(
        layer.layer(), model.patches().size().volume() * model.outputChannels(), model.channels());
    program.add(new Instruction.ProjectFinal(layer));
    if (split != ShardingPass.HOME) {
      program.add(
          new Instruction.SwitchSplit(
              Value.PREDICTION, split, ShardingPass.HOME, "after the final layer"));
    }
  }

  /** What taps call the residual stream after an operation. */
  static String after(Block block, String op, boolean last) {
    return block.name() + (last ? ".out" : ".after_" + op);
  }
}
