package dev.longtake.worker.engine.program;

import dev.longtake.worker.device.Activation;
import dev.longtake.worker.engine.model.Block;
import dev.longtake.worker.engine.model.FinalLayer;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.model.Modulation;
import dev.longtake.worker.engine.model.Op;
import dev.longtake.worker.engine.model.VectorOp;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Turns operations into instructions, and notes the weights that they need. */
final class Lowering {
  private final ModelDescription model;
  private final List<Instruction> program = new ArrayList<>();
  private final Map<String, LinearSpec> linears = new LinkedHashMap<>();
  private final Map<String, TensorSpec> tensors = new LinkedHashMap<>();

  Lowering(ModelDescription model) {
    this.model = model;
  }

  List<LinearSpec> linears() {
    return List.copyOf(linears.values());
  }

  List<TensorSpec> tensors() {
    return List.copyOf(tensors.values());
  }

  List<Instruction> lower(List<ShardingPass.Step> steps) {
    lowerText();
    model.vectors().forEach(this::lowerVector);
    embedPatches();
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
    int channels = model.channels();
    String layer = model.text().layer();
    exactLinear(layer + ".fc1", channels, model.text().textChannels());
    exactLinear(layer + ".fc2", channels, channels);
    tensor(model.text().nullCaption(), model.text().maxTokens(), model.text().textChannels());
    program.add(new Instruction.ProjectText(layer));
  }

  private void lowerVector(VectorOp op) {
    int channels = model.channels();
    switch (op) {
      case VectorOp.Sinusoid sinusoid -> {
        exactLinear(sinusoid.mlp() + ".0", channels, VectorOp.Sinusoid.TABLE_COLUMNS);
        exactLinear(sinusoid.mlp() + ".2", channels, channels);
      }
      case VectorOp.Sum _ -> {}
      case VectorOp.SiluLinear linear ->
          exactLinear(linear.layer(), linear.rows() * channels, channels);
    }
    program.add(new Instruction.ComputeVector(op));
  }

  private void embedPatches() {
    var patch = model.patchSize();
    linears.put(
        model.patchEmbedding(),
        new LinearSpec(
            model.patchEmbedding(),
            List.of(
                model.channels(),
                model.latentChannels(),
                patch.frames(),
                patch.height(),
                patch.width()),
            /* reducible= */ false));
    program.add(new Instruction.EmbedPatches(model.patchEmbedding()));
  }

  private void lowerOp(Block block, Op op, boolean last) {
    String name = block.name() + "." + op.name();
    String after = block.name() + (last ? ".out" : ".after_" + op.name());
    switch (op) {
      case Op.SelfAttention attention -> lowerSelfAttention(name, attention, after);
      case Op.CrossAttention _ -> lowerCrossAttention(name, after);
      case Op.Mlp mlp -> lowerMlp(name, mlp, after);
    }
  }

  private void lowerSelfAttention(String name, Op.SelfAttention op, String after) {
    int channels = model.channels();
    table(op.modulation());
    program.add(new Instruction.Modulate(name + "_in", op.modulation()));
    blockLinear(name + ".qkv", 3 * channels, channels);
    program.add(new Instruction.Project(name + ".qkv", Value.NARROW, Activation.NONE));
    if (op.qkNorm()) {
      tensor(name + ".q_norm.weight", model.headDimension());
      tensor(name + ".k_norm.weight", model.headDimension());
    }
    if (op.rotary()) {
      tensor(model.rotaryFrequencies(), model.headDimension() / 2);
    }
    if (op.qkNorm() || op.rotary()) {
      program.add(new Instruction.NormRotate(name, op.qkNorm(), op.rotary()));
    }
    program.add(new Instruction.Attend(op.axis()));
    blockLinear(name + ".proj", channels, channels);
    program.add(
        new Instruction.AddProjection(
            name + ".proj", Value.NARROW, op.modulation(), name + "_out", after));
  }

  private void lowerCrossAttention(String name, String after) {
    int channels = model.channels();
    blockLinear(name + ".kv_linear", 2 * channels, channels);
    program.add(new Instruction.ProjectKeyValue(name + ".kv_linear"));
    blockLinear(name + ".q_linear", channels, channels);
    program.add(new Instruction.Project(name + ".q_linear", Value.RESIDUAL, Activation.NONE));
    program.add(new Instruction.AttendText(name + ".kv_linear"));
    blockLinear(name + ".proj", channels, channels);
    program.add(
        new Instruction.AddProjection(
            name + ".proj", Value.NARROW, /* gate= */ null, name + "_out", after));
  }

  private void lowerMlp(String name, Op.Mlp op, String after) {
    table(op.modulation());
    program.add(new Instruction.Modulate(name + "_in", op.modulation()));
    blockLinear(name + ".fc1", op.hidden(), model.channels());
    program.add(new Instruction.Project(name + ".fc1", Value.NARROW, Activation.GELU_TANH));
    blockLinear(name + ".fc2", model.channels(), op.hidden());
    program.add(
        new Instruction.AddProjection(
            name + ".fc2", Value.WIDE, op.modulation(), name + "_out", after));
  }

  private void lowerFinal(Split split) {
    FinalLayer layer = model.finalLayer();
    table(layer.modulation());
    exactLinear(
        layer.layer(), model.patchSize().volume() * model.outputChannels(), model.channels());
    program.add(new Instruction.ProjectFinal(layer));
    if (split != ShardingPass.HOME) {
      program.add(
          new Instruction.SwitchSplit(
              Value.PREDICTION, split, ShardingPass.HOME, "after the final layer"));
    }
  }

  /** Adds the vector to a table, the first time the table is met. */
  private void table(Modulation modulation) {
    if (tensors.containsKey(modulation.table())) {
      return;
    }
    tensor(modulation.table(), modulation.tableRows(), model.channels());
    program.add(
        new Instruction.AddTable(modulation.table(), modulation.tableRows(), modulation.vector()));
  }

  private void tensor(String name, Integer... shape) {
    tensors.put(name, new TensorSpec(name, List.of(shape)));
  }

  private void blockLinear(String layer, int outputs, int inputs) {
    linears.put(layer, new LinearSpec(layer, List.of(outputs, inputs), /* reducible= */ true));
  }

  private void exactLinear(String layer, int outputs, int inputs) {
    linears.put(layer, new LinearSpec(layer, List.of(outputs, inputs), /* reducible= */ false));
  }
}
