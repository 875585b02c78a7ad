package dev.longtake.worker.engine.program;

import dev.longtake.worker.device.Activation;
import dev.longtake.worker.engine.model.Block;
import dev.longtake.worker.engine.model.FinalLayer;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.model.Modulation;
import dev.longtake.worker.engine.model.Op;
import dev.longtake.worker.engine.model.Position;
import dev.longtake.worker.engine.model.Stream;
import dev.longtake.worker.engine.model.TextInput;
import java.util.ArrayList;
import java.util.List;

/** Turns a model's operations into instructions, and notes the weights that they need. */
final class Lowering {
  private final ModelDescription model;
  private final WeightList weights;
  private final List<Instruction> program = new ArrayList<>();
  private final AttentionLowering attention;

  Lowering(ModelDescription model, int ranks) {
    this.model = model;
    this.weights = new WeightList(model);
    this.attention = new AttentionLowering(model, ranks, weights, program);
  }

  List<LinearSpec> linears() {
    return weights.linears();
  }

  List<TensorSpec> tensors() {
    return weights.tensors();
  }

  List<Instruction> lower(List<ShardingPass.Step> steps) {
    lowerText();
    new VectorLowering(model, weights, program).lower();
    embed();
    for (ShardingPass.Step step : steps) {
      switch (step) {
        case ShardingPass.Step.Switch(Split from, Split to, String place) ->
            program.add(new Instruction.SwitchSplit(Value.RESIDUAL, from, to, place));
        case ShardingPass.Step.Run(Block block, Op op, boolean last) -> lowerOp(block, op, last);
      }
    }
    lowerFinal(ShardingPass.last(steps));
    return program;
  }

  private void lowerText() {
    TextInput text = model.text();
    if (text == null) {
      return;
    }
    int inputs = text.channels();
    for (String layer : text.layers()) {
      weights.exact(layer, model.channels(), inputs);
      inputs = model.channels();
    }
    if (text.nullCaption() != null) {
      weights.tensor(text.nullCaption(), text.maxTokens(), text.channels());
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

  private void lowerOp(Block block, Op op, boolean last) {
    switch (op) {
      case Op.SelfAttention self -> attention.lower(block, self, last);
      case Op.ParallelAttention parallel -> attention.lower(block, parallel);
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
    program.add(new Instruction.Modulate(name + "_in", op.stream(), op.modulation()));
    weights.reducible(name + ".fc1", op.hidden(), model.channels());
    program.add(
        new Instruction.Project(name + ".fc1", op.stream(), Value.NARROW, Activation.GELU_TANH));
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
